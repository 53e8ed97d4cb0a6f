"""The commands as programs: standard output, standard error and exit status."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gptool import __version__, _jpeg
from gptool._jpeg import recompress
from gptool.cli.options import SELECTION
from gptool.request.parameters import BY_NAME
from helpers.bundles import bundle_path
from helpers.caches import HALF_WAY, conf_text, jpeg_tile, make_cache, world
from helpers.checks import check_nothing_left, check_package
from helpers.command_line import GPTOOL, errors_and_notes, run, run_on_terminal
from helpers.gate import Gate
from helpers.tile_readers import read_package
from helpers.waiting import wait_until_delivered


def test_export_prints_a_summary_table(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--levels", "0-2,8", "--compression-quality", "50", cwd=tmp_path)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    check_package(tmp_path / "x.tpkx", levels={0, 1, 2, 8})
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert [line[0] for line in lines if line[0].isdigit()] == ["0", "1", "2", "8"]
    [total] = [line for line in lines if line[0] == "All"]
    assert total[1] == "165"
    assert done.stdout.splitlines()[-1].startswith(f"{tmp_path / 'x.tpkx'}: 165 tiles, ")


def test_export_prints_only_json_with_json_option(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--compression-quality=50", "--levels=1,3", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert errors_and_notes(done) == ["Warning: level 3 holds no selected tiles"]
    job = json.loads(done.stdout)
    assert job["jobStatus"] == "esriJobSucceeded"
    warning = {"type": "esriJobMessageTypeWarning", "description": "level 3 holds no selected tiles"}
    assert [warning] == job["messages"][1:-1]
    assert [job["messages"][i]["description"].split(" ")[0] for i in (0, -1)] == ["Start", "Succeeded"]
    assert job["results"] == {"out_service_url": {"paramUrl": "results/out_service_url"}}
    assert job["inputs"]["levels"] == {"paramUrl": "inputs/levels"}
    assert job["path"] == str(tmp_path / "x.tpkx")
    assert job["size"] == (tmp_path / "x.tpkx").stat().st_size
    assert (job["tiles"], job["tilesRecompressed"], job["damagedTiles"]) == (4, 4, [])
    assert [level["level"] for level in job["levels"]] == [1]


def test_failed_job_is_printed_as_json(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--max-export-tiles-count=9", "--json", cwd=tmp_path)
    job = json.loads(done.stdout)
    assert (done.returncode, job["jobStatus"]) == (1, "esriJobFailed")
    errors = [message["description"] for message in job["messages"] if message["type"] == "esriJobMessageTypeError"]
    assert errors[0].startswith("ERROR 001564: Requested tile count(165) exceeds")
    assert errors[1:] == ["Failed to execute (ExportTiles)."]


def test_damaged_tiles_are_listed(tmp_path: Path) -> None:
    make_cache(
        tmp_path / "cache", {(2, 1, column): jpeg_tile(1)[:-9] for column in range(12)} | {(0, 0, 0): jpeg_tile(1)}
    )
    done = run("export-tiles", "cache", "x.tpkx", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "Damaged: level 2, row 1, column 0: damaged JPEG: Premature end of JPEG file" in lines
    assert "... and 2 more damaged tiles; --report FILE lists them" in lines


def test_info_prints_scheme_and_levels(cache: Path, tmp_path: Path) -> None:
    done = run("info", cache, cwd=tmp_path)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    for fact in (
        "esriMapCacheStorageModeCompactV2",
        "JPEG, declared quality 85, 64 x 64 px",
        "wkid 102100, latestWkid 3857",
    ):
        assert fact in done.stdout
    info = json.loads(run("info", cache, "--json", cwd=tmp_path).stdout)
    assert (info["tiles"], info["bytes"]) == (len(world()), sum(map(len, world().values())))
    assert {level["level"]: level["tiles"] for level in info["levels"] if level["tiles"]} == {0: 1, 1: 4, 2: 16, 8: 144}
    assert list(info["fullExtent"]) == ["xmin", "ymin", "xmax", "ymax"]


def test_estimate_prints_tiles_and_size(cache: Path, tmp_path: Path) -> None:
    done = run("estimate", cache, "--levels", "8", cwd=tmp_path)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    assert done.stdout.splitlines()[-1].startswith("144 tiles, ")
    estimate = json.loads(run("estimate", cache, "--levels", "8", "--json", cwd=tmp_path).stdout)
    assert estimate["totalTilesToExport"] == 144
    assert estimate["totalSize"] > sum(len(tile) for (level, *_), tile in world().items() if level == 8)
    check_nothing_left(tmp_path)


POSIX_MESSAGE = pytest.mark.posix("the system's message for a long name")
EXPORT, ESTIMATE = "export-tiles good x.tpkx", "estimate good"
FAILURES = {
    "missing cache": ("export-tiles nowhere x.tpkx", 1, "nowhere: cache not found"),
    "invalid conf.xml": ("info broken", 1, "conf.xml: is not well-formed XML"),
    "truncated bundle": (
        "export-tiles cut x.tpkx",
        1,
        "file is too short for the header and index of a bundle; found 1000 bytes",
    ),
    "unknown level": (
        f"{EXPORT} --levels 20",
        2,
        "levels: level is not in the tiling scheme; found 20, expected",
    ),
    "empty selection": (
        f"{EXPORT} --levels 7",
        2,
        "levels: selection contains no tiles; found level 7, expected tiles of good, which has levels 0-2, 8",
    ),
    "existing output": ("export-tiles good taken.tpkx", 1, "taken.tpkx: output already exists"),
    "file in place of a folder": (
        "export-tiles good good/conf.xml/x.tpkx",
        1,
        "conf.xml: is not a folder, and so cannot hold the output",
    ),
    "unknown suffix": (
        "export-tiles good x.tif",
        2,
        "expected a name that ends in .tpkx, .tpk",
    ),
    "quality above 100": (f"{ESTIMATE} --compression-quality 101", 2, "found 101, expected an integer from 0 to 100"),
    "quality beside a target size": (
        f"{ESTIMATE} --compression-quality 50 --target-size 5MB",
        2,
        "--target-size: contradicts --compression-quality; found --target-size 5000000 and --compression-quality 50",
    ),
    "target size in pounds": (
        f"{EXPORT} --target-size 5lb",
        2,
        "--target-size: value is not a size; found '5lb', expected a size of 1 byte or more such as 500MB",
    ),
    "no workers": (
        f"{EXPORT} --workers 0",
        2,
        "--workers: value is out of range; found 0, expected an integer from 1 to 1",
    ),
    "negative limit": (f"{ESTIMATE} --max-export-tiles-count -1", 2, "--max-export-tiles-count: value is out of range"),
    "extent without area": (f"{ESTIMATE} --export-extent 0,0,0,0", 2, "extent has no area"),
}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("infos", "unknown command infos; did you mean info?"),
        ("xyzzy", "unknown command xyzzy; gptool --help lists them"),
    ],
)
def test_unknown_command_is_refused_with_the_nearest(command: str, message: str, tmp_path: Path) -> None:
    done = run(command, "good", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"Error: {message}")


def test_area_is_a_file_or_json_and_notes_go_to_standard_error(cache: Path, tmp_path: Path) -> None:
    ring = '{"type": "Polygon", "coordinates": [[[0.001, 0.001], [0.001, 9], [9, 0.001], [0.001, 0.001]]]}'
    (tmp_path / "area.geojson").write_text(ring)
    for area in ("area.geojson", ring):
        done = run("estimate", cache, "--area-of-interest", area, "--export-extent", "1,1,2,2", "--json", cwd=tmp_path)
        assert done.returncode == 0
        assert errors_and_notes(done) == ["Note: --area-of-interest supersedes --export-extent, which is ignored"]
        assert json.loads(done.stdout)["totalTilesToExport"] == 3 + 26  # 6 + 6 + 5 + 4 + 3 + 2 of level 8
    done = run("export-tiles", cache, "x", "--area-of-interest", "nowhere.json", cwd=tmp_path)
    assert done.returncode == 2
    assert errors_and_notes(done)[0].startswith("Error: --area-of-interest: nowhere.json: file not found; ")


def test_levels_are_selected_by_scale(cache: Path, tmp_path: Path) -> None:
    arguments = ("--export-by", "scale", "--levels", "295828763.80-147914381.9", "--no-tile-package", "--json")
    done = run("estimate", cache, *arguments, cwd=tmp_path)
    estimate = json.loads(done.stdout)
    assert (estimate["totalTilesToExport"], estimate["result"]) == (20, "a cache raster dataset")


def test_nearest_level_is_used_and_named(cache: Path, tmp_path: Path) -> None:
    arguments = ["estimate", cache, "--export-by", "Scale", "--levels", "150000000", "--json"]
    assert "with --nearest-level" in run(*arguments, cwd=tmp_path).stderr
    done = run(*arguments, "--nearest-level", cwd=tmp_path)
    assert [level["level"] for level in json.loads(done.stdout)["levels"]] == [2]
    assert "Note: --levels: no level has the scale 150000000: the nearest level is used, 2 (" in done.stderr


def test_exceeded_limit_is_explained(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--max-export-tiles-count", "30", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    error, tiles, fitting, parts = errors_and_notes(done)
    assert error == (
        "Error: ERROR 001564: Requested tile count(165) exceeds the maximum allowed number of tiles(30) to be exported "
        f"for service {cache.name}."
    )
    assert tiles == "Tiles per level: 0: 1, 1: 4, 2: 16, 8: 144."
    assert "within the limit are --levels 0-2 (--export-by LevelID) with 21 tiles" in fitting
    assert parts == "All tiles fit into 9 tile packages with --max-part-tiles 30."


@pytest.fixture(scope="module")
def damaged_caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    make_cache(folder / "good", world())
    make_cache(folder / "broken", {}, conf=conf_text()[:300])
    make_cache(folder / "cut", {(0, 0, 0): jpeg_tile(1)})
    path = bundle_path(folder / "cut" / "_alllayers", 0, 0, 0)
    path.write_bytes(path.read_bytes()[:1000])
    (folder / "taken.tpkx").write_text("precious")
    return folder


TOO_LONG = {
    "long name of a cache": (f"info {'a' * 5000}", 1, "cannot be opened: File name too long"),
    "long name of an output": (f"export-tiles good {'a' * 300}.tpkx", 1, "File name too long"),
    "long name above an output": (f"export-tiles good {'a' * 300}/x.tpkx", 1, "cannot be written: File name too long"),
    "long name above a report": (f"export-tiles good x.tpkx --report {'a' * 300}/x.json", 1, "x.json: File name too"),
    "long name of a demo": (f"demo {'a' * 300}", 1, "cannot be written: File name too long"),
}
TOO_LONG_ON_POSIX = [pytest.param(*case, id=name, marks=POSIX_MESSAGE) for name, case in TOO_LONG.items()]


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [*(pytest.param(*case, id=name) for name, case in FAILURES.items()), *TOO_LONG_ON_POSIX],
)
def test_error_is_one_line_and_an_exit_status(damaged_caches: Path, command: str, status: int, message: str) -> None:
    done = run(*command.split(), cwd=damaged_caches)
    assert (done.returncode, done.stdout) == (status, "")
    [error] = errors_and_notes(done)
    assert error.startswith("Error: ")
    assert message in error
    assert "[Errno" not in error
    check_nothing_left(damaged_caches, "good", "broken", "cut", "taken.tpkx")


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("option", [name for name, metavar in SELECTION.items() if metavar])
def test_empty_option_is_refused(cache: Path, tmp_path: Path, option: str, value: str) -> None:
    """A shell variable that is not set gives an empty value, which must not stand for all tiles."""
    name = BY_NAME[option].option
    for command in (["export-tiles", cache, "x.tpkx"], ["estimate", cache]):
        done = run(*command, name, value, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: {name}: is empty; expected ")
    assert not list(tmp_path.iterdir())


USAGE = {
    "export-tiles": "CACHE: is missing; gptool export-tiles --help shows the usage",
    "export-tiles good": "OUTPUT: is missing; gptool export-tiles --help shows the usage",
    "export-tiles good x.tpkx y.tpkx": "unexpected argument: y.tpkx",
    "estimate x --levels": "--levels: has no value",
    "estimate x --lvels 3": "unknown option --lvels; did you mean --levels?",
    "info x --no": "unknown option --no; gptool info --help shows the usage",
    "info x a\u0007b": "unexpected argument: a?b",
    "--none": "unknown option --none; gptool --help shows the usage",
    "estimate x --levels 3 --levels 4": "--levels: is given 2 times; expected one value",
    "export-tiles x y --workers many": "--workers: value is not an integer; found many, expected an integer from 1 to",
    "batch x --jobs 0": "--jobs: value is out of range; found 0, expected an integer of 1 or more",
    "info EMPTY": "CACHE: is empty; expected a path",
    "export-tiles x EMPTY": "OUTPUT: is empty; expected a path",
    "demo EMPTY": "FOLDER: is empty; expected a path",
    "clean EMPTY": "FOLDER: is empty; expected a path",
    "batch EMPTY": "FILE: is empty; expected a path",
    "token EMPTY crew": "FILE: is empty; expected a path",
    "user EMPTY anna": "FILE: is empty; expected a path",
    "register --server https://a.b/c --folder d --caches W=C:/x EMPTY": "output: is empty; found '', expected the path",
    "serve --config EMPTY": "--config: is empty; expected a path",
    "serve W=x --output-directory EMPTY": "--output-directory: is empty; expected a path",
    "serve W=x --token-file EMPTY": "--token-file: is empty; expected a path",
    "serve W=x --access-log EMPTY": "--access-log: is empty; expected a path",
    "serve W=x --host EMPTY": "--host: is empty; expected ADDRESS, or no --host at all",
    "serve W=x --public-url EMPTY": "--public-url: is empty; expected URL, or no --public-url at all",
    "serve W=x --allow-origin * --allow-origin EMPTY": "--allow-origin: is empty; expected ORIGIN, or no",
    "serve world": "NAME=CACHE: invalid cache; found 'world', expected NAME=CACHE",
    "register --server https://a.b/c --folder d --caches x": "--caches: invalid cache; found 'x', expected NAME=CACHE",
    "serve W=x W=y": "NAME=CACHE: two caches have the same name; found 'W' twice, expected one name for each",
    "estimate x --json=5": "--json: takes no value",
    "estimate x --tile-package --no-tile-package": "--tile-package: is given 2 times; expected one of --tile-",
    "info https:/me:secret@host/x?sig=secret": "CACHE: unsupported URL; found https:/host/x, expected the",
    "info htps://me:secret@host/x": "CACHE: unsupported URL; found htps://host/x, expected the path of a file",
    "estimate x --area-of-interest https://me:secret@host/a.geojson?sig=secret": "--area-of-interest: is a URL, not a "
    "path; found https://host/a.geojson, expected FILE|JSON|WKT",
    "serve W=x --port EMPTY": "--port: is empty; expected an integer of 0 or more",
    "clean x --older-than EMPTY": "--older-than: is empty; expected an age such as 7d, 12h or 90m",
    "verify x --tiles EMPTY": "--tiles: is empty; expected all, sample or none",
    "EMPTY": "command is empty; gptool --help lists them",
    "export-tiles x htps://me:secret@host/x.tpkx": "OUTPUT: unsupported URL; found htps://host/x.tpkx, expected",
    "export-tiles x s3:///x.tpkx": "OUTPUT: s3:// URL has no bucket or container; found s3:///x.tpkx",
    "estimate x --export-by Size": "--export-by: invalid choice; found 'Size', expected LevelID, Resolution or Scale",
    "estimate x --storage-format-type a": "--storage-format-type: invalid choice; found 'a', expected compactV2 or",
}


@pytest.mark.parametrize(("command", "message"), USAGE.items(), ids=list(USAGE))
def test_wrong_usage_is_one_line_and_exit_status_2(tmp_path: Path, command: str, message: str) -> None:
    done = run(*("" if word == "EMPTY" else word for word in command.split()), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    [error] = done.stderr.splitlines()
    assert error.startswith(f"Error: {message}")


@pytest.mark.parametrize(
    "command", [[], ["export-tiles"], ["estimate"], ["info"], ["demo"], ["register"], ["batch"], ["doctor"]], ids=str
)
def test_help_has_an_example(tmp_path: Path, command: list[str]) -> None:
    done = run(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(r"Examples?:\n    gptool ", done.stdout)


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    core = f"native core: libjpeg-turbo {_jpeg.LIBJPEG_TURBO_VERSION}"
    assert run("--version", cwd=tmp_path).stdout.strip() == f"gptool-export-tiles {__version__}, {core}"


@pytest.mark.posix("signals between processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_signal_leaves_no_files(cache: Path, tmp_path: Path, gate: Gate, number: signal.Signals) -> None:
    """The exit status is not 0, and there is no package; what is finished is kept, and the same command uses it."""
    arguments = [*GPTOOL, "export-tiles", str(cache), "x.tpkx", "--compression-quality", "50", "--workers", "1"]
    gate.close(after=HALF_WAY)
    with subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process, gate:
        gate.wait()
        assert list(tmp_path.glob(".gptool-*/**/*.bundle"))
        process.send_signal(number)
        wait_until_delivered(process.pid)
        gate.open()
        _, errors = process.communicate()
    assert process.returncode == 128 + number
    interrupted = re.search(r"^Interrupted after exporting [1-9]\d* of 165 tiles\.$", errors, re.M)
    assert bool(interrupted) == (number == signal.SIGINT)
    kept = "Finished bundles are kept beside the output: the same export goes on with them, or anew with --restart."
    assert errors.splitlines()[-1] == kept
    assert not (tmp_path / "x.tpkx").exists()
    done = run(*arguments[len(GPTOOL) :], cwd=tmp_path)
    assert re.search(r"^Note: Resumed an interrupted run of this export: \d bundles? with ", done.stderr, re.M)
    check_nothing_left(tmp_path, "x.tpkx")


@pytest.mark.posix("signals between processes")
def test_restart_discards_what_is_finished(cache: Path, tmp_path: Path, gate: Gate) -> None:
    arguments = ["export-tiles", str(cache), "x.tpkx", "--compression-quality", "50", "--workers", "1"]
    gate.close(after=HALF_WAY)
    with subprocess.Popen([*GPTOOL, *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL) as process, gate:
        gate.wait()
        process.kill()
    done = run(*arguments, "--restart", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["resumed"] == {"bundles": 0, "tiles": 0}
    check_nothing_left(tmp_path, "x.tpkx")


def test_progress_is_lines_without_a_terminal(cache: Path, tmp_path: Path, gate: Gate) -> None:
    arguments = [*GPTOOL, "export-tiles", str(cache), "x.tpkx"]
    gate.close(after=HALF_WAY)
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process, gate:
        assert process.stderr
        shown = re.compile(rb"Exporting: [1-9]\d* of 165 tiles, [\d,]+ tiles/s, [\d,]+ s left\r?\n")
        assert any(map(shown.fullmatch, process.stderr))
    assert process.returncode == 0
    assert len(read_package(tmp_path / "x.tpkx")) == 165


@pytest.mark.parametrize(
    ("command", "last"),
    [
        ("export-tiles CACHE x.tpkx", {"phase": "exporting", "done": 165, "total": 165}),
        ("estimate CACHE --compression-quality 50", {"phase": "estimating", "done": 165, "total": 165}),
        ("samples CACHE x.html --levels 0-1", {"phase": "estimating", "done": 5, "total": 5}),
    ],
)
def test_progress_is_json_for_programs(cache: Path, tmp_path: Path, command: str, last: dict[str, object]) -> None:
    done = run(*command.replace("CACHE", str(cache)).split(), "--json-progress", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert shown[-1] == last
    assert all(line.keys() == {"phase", "done", "total"} for line in shown)
    if command.startswith("export"):
        assert errors_and_notes(done) == done.stderr.splitlines() != []  # no other form of progress


@pytest.mark.parametrize("others", [[], ["--json"]])
def test_quiet_leaves_the_progress_for_programs(cache: Path, tmp_path: Path, others: list[str]) -> None:
    """Levels that are not there are a message, which `--quiet` hides."""
    arguments = "export-tiles", cache, "x.tpkx", "--levels", "0-4"
    loud = run(*arguments, cwd=tmp_path)
    assert any(not line.startswith("{") for line in loud.stderr.splitlines())
    done = run(*arguments, "--overwrite", "--json-progress", "--quiet", *others, cwd=tmp_path)
    assert (done.returncode, bool(done.stdout)) == (0, bool(others))
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1] == {"phase": "exporting", "done": 21, "total": 21}


def test_progress_for_programs_and_none_exclude_each_other(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--json-progress", "--no-progress", cwd=tmp_path)
    expected = "Error: --no-progress and --json-progress exclude each other; expected one of them"
    assert (done.returncode, done.stdout, errors_and_notes(done)) == (2, "", [expected])
    assert not (tmp_path / "x.tpkx").exists()


def test_progress_in_json_shows_what_is_half_done(cache: Path, tmp_path: Path, gate: Gate) -> None:
    arguments = [*GPTOOL, "export-tiles", str(cache), "x.tpkx", "--json-progress"]
    gate.close(after=HALF_WAY)
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process, gate:
        assert process.stderr
        gate.wait()
        gate.open()
        shown = [json.loads(line) for line in process.stderr if line.startswith(b"{")]
    assert process.returncode == 0
    done = [line["done"] for line in shown if line["phase"] == "exporting"]
    assert done == sorted(done)
    assert any(0 < tiles < 165 for tiles in done)


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_table_states_reasons_on_terminals_of_any_width(tmp_path: Path, columns: int) -> None:
    optimised, _ = recompress(jpeg_tile(2, quality=30), None)
    make_cache(tmp_path / "cache", {(1, 0, 0): jpeg_tile(1), (1, 0, 1): optimised})
    arguments = ["export-tiles", "cache", "x.tpkx", "--compression-quality", "50"]
    shown = run_on_terminal(*arguments, cwd=tmp_path, stream="stdout", columns=columns)
    assert "1 request not below the tile's quality" in " ".join(shown.split())  # a cell may have several lines
    assert "\u2026" not in shown  # no figure is cut


@pytest.mark.posix("redirections of a POSIX shell")
def test_closed_or_full_stream(cache: Path, tmp_path: Path) -> None:
    program = " ".join([sys.executable, "-c", "'from gptool.cli import main; main()'", "export-tiles", str(cache)])
    done = subprocess.run(f"{program} a.tpkx 2>&-", shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, (tmp_path / "a.tpkx").exists()) == (0, True)
    if Path("/dev/full").exists():
        done = subprocess.run(
            f"{program} b.tpkx >/dev/full", shell=True, cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr == b"Error: standard output: No space left on device\n"


def test_progress_is_a_bar_on_a_terminal(cache: Path, tmp_path: Path) -> None:
    arguments = ["export-tiles", str(cache), "x.tpkx", "--compression-quality", "50"]
    shown = run_on_terminal(*arguments, cwd=tmp_path, stream="stderr")
    assert "165 of 165 tiles" in shown
    assert "tiles/s" in shown
