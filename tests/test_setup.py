"""setup.py: the message if libjpeg-turbo or a compiler is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def setup_script() -> Path:
    """The project's setup.py, if the build tools are installed."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    if not (ROOT / "setup.py").exists():
        pytest.skip("setup.py is not beside the tests")
    return ROOT / "setup.py"


def fake_compiler(folder: Path, script: str) -> Path:
    """Create a compiler that is a shell script."""
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("exit 1", id="no compiler"),
        pytest.param(f'exec {shutil.which("cc") or "cc"} -nostdinc -Dinclude=x "$@"', id="no headers"),
        pytest.param(
            f'for a in "$@"; do [ "$a" = -ljpeg ] && exit 1; done; exec {shutil.which("cc") or "cc"} "$@"',
            id="no library",
        ),
    ],
)
def test_missing_requirement_is_one_message_with_the_packages(setup_script: Path, tmp_path: Path, script: str) -> None:
    environment = os.environ | {"CC": str(fake_compiler(tmp_path, script))}
    done = subprocess.run(
        [sys.executable, setup_script, "--version"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "gptool needs libjpeg-turbo" in done.stderr
    for install in ("apt-get install build-essential pkg-config libjpeg-dev", "dnf install", "brew install"):
        assert install in done.stderr
    assert "Traceback" not in done.stderr
