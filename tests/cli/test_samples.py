"""`gptool samples`: its file, what it prints, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gptool
from helpers.caches import conf_text, make_cache, png_tile
from helpers.command_line import errors_and_notes, run

OPTIONS = "--levels", "0-1", "--qualities", "30,60"


def test_page_is_written_and_figures_are_printed(cache: Path, tmp_path: Path) -> None:
    done = run("samples", cache, "new/page.html", *OPTIONS, cwd=tmp_path)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    samples = gptool.sample_compressions(cache, levels="0-1", qualities=[30, 60])
    page = tmp_path / "new" / "page.html"
    assert page.read_text(encoding="utf-8") == samples.to_html()
    assert f"quality {samples.recommended.quality} is recommended" in done.stdout
    rows = [line.split()[0] for line in done.stdout.splitlines() if line[:8].strip().isdecimal()]
    assert rows == [str(figures.quality) for figures in samples.all_figures]
    assert str(page) in done.stdout.splitlines()[-1]


def test_json_is_all_of_standard_output(cache: Path, tmp_path: Path) -> None:
    done = run("samples", cache, "page.html", *OPTIONS, "--json", "--count", "3", cwd=tmp_path)
    value = json.loads(done.stdout)
    assert value.pop("path") == str(tmp_path / "page.html")
    assert value == gptool.sample_compressions(cache, levels="0-1", qualities=[30, 60], count=3).to_json()


def test_existing_output_is_replaced_only_if_asked_for(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    done = run("samples", cache, "page.html", *OPTIONS, cwd=tmp_path)
    assert (done.returncode, (tmp_path / "page.html").read_text()) == (1, "mine")
    assert "page.html: output already exists; expected a new name, or --overwrite" in done.stderr
    assert run("samples", cache, "page.html", *OPTIONS, "--overwrite", cwd=tmp_path).returncode == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ("CACHE page.htm.txt", 2, "OUTPUT: is not the name of an HTML file; found page.htm.txt, expected a name that"),
        ("CACHE page.html --qualities 30,x", 2, "--qualities: value is not an integer; found 'x'"),
        ("CACHE page.html --qualities ,", 2, "--qualities: value is not an integer"),
        ("CACHE page.html --count 0", 2, "--count: value is out of range; found 0, expected an integer from 1 to 200"),
        ("CACHE page.html --compression-quality 50", 2, "unknown option --compression-quality"),
        ("CACHE page.html --levels 7", 2, "no tile"),
        ("CACHE page.html --max-export-tiles-count 3", 1, "exceeds"),
        ("CACHE new/folder/page.html --levels 99", 2, "--levels: level is not in the tiling scheme"),
        ("CACHE CACHE/_alllayers/page.html", 2, "the output is the cache or a part of it"),
        (
            "PNG page.html",
            1,
            "the selection holds no valid JPEG tile to compare, and other tiles have no compression quality",
        ),
        ("nowhere page.html", 1, "nowhere: cache not found"),
    ],
    ids=str,
)
def test_error_is_one_line_and_leaves_nothing(
    cache: Path, tmp_path: Path, arguments: str, status: int, text: str
) -> None:
    png = make_cache(tmp_path / "png", {(0, 0, 0): png_tile(1)}, conf=conf_text(format="PNG"))
    before = sorted(tmp_path.rglob("*")), sorted(cache.rglob("*"))
    words = [word.replace("CACHE", str(cache)).replace("PNG", str(png)) for word in arguments.split()]
    done = run("samples", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    first = next(line for line in errors_and_notes(done) if line.startswith("Error: "))
    assert text in first
    assert (sorted(tmp_path.rglob("*")), sorted(cache.rglob("*"))) == before


def test_help_has_an_example(tmp_path: Path) -> None:
    done = run("samples", "--help", cwd=tmp_path)
    assert "gptool samples relief relief.html" in done.stdout
