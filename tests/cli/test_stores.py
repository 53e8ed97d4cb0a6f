"""Caches in stores on the command line, and what is never shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.caches import make_cache, world
from helpers.command_line import errors_and_notes, run
from helpers.object_server import SECRET, ObjectServer
from helpers.packages import make_tpkx
from helpers.tile_readers import read_tiles
from helpers.waiting import TIMEOUT

NOTHING = "neither an object nor a folder; expected a cache folder, a .tpkx, a .tpk or a .mbtiles"

pytestmark = pytest.mark.usefixtures("store_server")


def test_info_estimate_export_and_verify(tmp_path: Path, bucket: Path) -> None:
    make_cache(bucket / "World", world())
    described = json.loads(run("info", "s3://tiles/World", "--json", cwd=tmp_path).stdout)
    assert (described["name"], described["tiles"], described["packageBytes"]) == ("World", len(world()), None)
    estimated = json.loads(run("estimate", "s3://tiles/World", "--json", cwd=tmp_path).stdout)
    done = run("export-tiles", "s3://tiles/World", "x.tpkx", "--json", "--report", "report.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_tiles(tmp_path / "x.tpkx") == world()
    assert estimated["totalTilesToExport"] == len(world())
    (bucket / "x.tpkx").write_bytes((tmp_path / "x.tpkx").read_bytes())
    verified = json.loads(
        run("verify", "s3://tiles/x.tpkx", "--json", "--source", "s3://tiles/World", cwd=tmp_path).stdout
    )
    assert (verified["passed"], verified["findings"]) == (True, [])
    assert verified["location"] == "s3://tiles/x.tpkx"


def test_batch(tmp_path: Path, bucket: Path) -> None:
    make_cache(bucket / "World", world())
    (tmp_path / "batch.toml").write_text('[exports.a]\ncache = "s3://tiles/World"\noutput = "a.tpkx"\n')
    done = run("batch", "batch.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_tiles(tmp_path / "a.tpkx") == world()


@pytest.mark.parametrize("output", ["https://me:secret@example.com/x", "http://example.com/x.tpkx?sig=secret"])
def test_results_are_not_written_to_web_servers(tmp_path: Path, output: str) -> None:
    done = run("export-tiles", "s3://tiles/World", output, cwd=tmp_path)
    assert done.returncode == 2
    [error] = errors_and_notes(done)
    assert "results cannot be written to a web server; expected the path of a file or folder, or a URL that" in error
    assert "secret" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["server"]


def test_obstore_is_loaded_for_stores_only(tmp_path: Path, bucket: Path) -> None:
    make_cache(tmp_path / "World", world())
    make_cache(bucket / "World", world())
    for location, is_loaded in (("World", "False"), ("s3://tiles/World", "True")):
        program = f"import sys, gptool, gptool.cli.main; gptool.info({location!r}); print('obstore' in sys.modules)"
        command = [sys.executable, "-P", "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == is_loaded


FORK = """
import os, sys, gptool
cache = gptool.open_cache("s3://tiles/World")
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
gptool.info(cache.location)
"""


@pytest.mark.posix("forks")
def test_forked_process_says_that_it_cannot_read(tmp_path: Path, bucket: Path) -> None:
    """Without obstore's threads, it would wait for ever."""
    make_cache(bucket / "World", world())
    command = [sys.executable, "-P", "-W", "ignore", "-c", FORK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    message = "a store cannot be used in a process that was forked from one that had used it; expected the start method"
    assert message in done.stderr


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (
            "s3://tiles/nothing",
            f"s3://tiles/nothing: {NOTHING}",
        ),
        (
            "s3://tiles/x.tpkx",
            f"s3://tiles/x.tpkx: {NOTHING}",
        ),
        ("s3://other/World", "s3://other/World: bucket not found"),
        ("s3://tiles", f"s3://tiles/: {NOTHING}"),
    ],
)
def test_missing_cache_is_one_line(tmp_path: Path, location: str, message: str) -> None:
    done = run("info", location, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert errors_and_notes(done) == [f"Error: {message}"]


def test_nothing_secret_is_shown_or_written(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    """Neither in messages, nor in reports, nor in any other file."""
    make_tpkx(bucket / "World.tpkx", world())
    url = f"http://me:pass-word@127.0.0.1:{store_server.port}/tiles/World.tpkx?sig=se-cret"
    shown = ""
    for arguments in (
        ["info", url, "--json"],
        ["estimate", url, "--json"],
        ["export-tiles", url, "x.tpkx", "--report", "report.json"],
        ["export-tiles", url, "x.tpkx", "--report", "failed.json"],
        ["export-tiles", url, "y.tpkx", "--levels", "40"],
        ["export-tiles", url, url],
        ["verify", url],
        ["samples", url, "samples.html", "--count", "2"],
        ["export-tiles", url, "z.tpkx", "--report", "failed-too.json", "--max-export-tiles-count", "1"],
        ["export-tiles", "s3://AKIDEXAMPLE:se-cret@tiles/World", "z.tpkx", "--report", "refused.json"],
        ["export-tiles", "az://tiles/World?sv=2024-11-04&sig=se-cret", "z.tpkx"],
        ["info", url.replace("World", "none")],
        ["info", url.replace("127.0.0.1", "192.0.2.1")],
        ["serve", f"World{url}"],
        ["serve", f"World={url.replace('World', 'none')}", "--port", "0"],
        ["batch", "batch.toml"],
    ):
        (tmp_path / "batch.toml").write_text(f'[exports.a]\ncache = "{url}"\noutput = "b/a.tpkx"\n')
        done = run(*arguments, cwd=tmp_path)
        shown += done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "batch.toml").unlink()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "server" not in path.parts]
    assert {"x.tpkx", "a.tpkx", "samples.html", "failed.json"} <= {path.name for path in files}
    written = b"".join(path.read_bytes() for path in files)
    for secret in ("pass-word", "se-cret", SECRET):
        assert secret not in shown
        assert secret.encode() not in written
    assert read_tiles(tmp_path / "x.tpkx") == world()
