"""Starting: whole processes, from Python's start to its end, beside one that imports NumPy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from comparisons import Table, compare, new_table
from pytest_benchmark.fixture import BenchmarkFixture

COMMAND = "import sys; from gptool.cli import main; sys.argv[1:] = {}.split(); main(prog_name='gptool')"
YARDSTICK = "import numpy"
PROGRAMS = {
    "python -c pass": "pass",
    "import gptool": "import gptool",
    "import gptool; gptool.export_tiles": "import gptool; gptool.export_tiles",
    "gptool --help": COMMAND.format("'--help'"),
    "gptool export-tiles --help": COMMAND.format("'export-tiles --help'"),
    YARDSTICK: YARDSTICK,
}
ROUNDS = 11


def start(program: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", program], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    return new_table(request.config, f"starting, whole processes; 1 x = {YARDSTICK}", "process", "s", "x time")


@pytest.mark.parametrize("name", PROGRAMS)
def bench_start(name: str, table: Table, benchmark: BenchmarkFixture) -> None:
    benchmark.group = "starting, whole processes, wall time"
    start(PROGRAMS[name])
    compare(benchmark, table, {name: lambda: start(PROGRAMS[name])}, lambda: start(YARDSTICK), ROUNDS)
