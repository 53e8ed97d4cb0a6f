"""What notebooks and terminals show of results, and errors in parts for programs."""

from __future__ import annotations

import pickle
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gptool import errors, estimate_export_tiles_size, export_tiles, export_tiles_job
from gptool.display.notebook import table_html
from gptool.model import Phase
from helpers.caches import make_cache, square


class Table(HTMLParser):
    """Collects the texts of a table's cells; fails on tags that do not belong to a table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.caption = ""
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
        self._tag = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._tag == "caption":
            self.caption += data
        elif self._tag == "p":
            self.notes.append(data)
        else:
            self.rows[-1][-1] += data


def test_texts_are_escaped() -> None:
    table = Table(table_html("<b>&", ["a", "<i>"], [("<script>", 12345)], ["<p>"]))
    assert table.caption == "<b>&"
    assert table.rows == [["a", "<i>"], ["<script>", "12,345"]]
    assert table.notes == ["<p>"]


def test_estimate_is_a_line_and_a_table(cache: Path) -> None:
    estimate = estimate_export_tiles_size(cache, levels="0-2")
    assert repr(estimate) == f"<Estimate: {estimate.summary}>"
    assert estimate.summary.startswith("21 tiles, ")
    assert estimate.summary.endswith(" as a .tpkx named world")
    table = Table(estimate._repr_html_())
    assert table.caption == estimate.summary
    assert [row[:2] for row in table.rows] == [["Level", "Tiles"], ["0", "1"], ["1", "4"], ["2", "16"]]


@pytest.mark.posix("names that Windows does not allow")
def test_result_is_a_line_and_a_table(cache: Path, tmp_path: Path) -> None:
    result = export_tiles(cache, tmp_path / "<x>.tpkx", levels="0-1", compression_quality=50)
    assert repr(result).startswith(f"<ExportResult: {result.path}, 5 tiles, ")
    table = Table(result._repr_html_())
    assert table.caption.startswith(f"{result.path}: 5 tiles")
    assert [(row[0], row[1], row[4], row[5]) for row in table.rows[1:]] == [
        ("0", "1", "55", "1"),
        ("1", "4", "55", "4"),
    ]


def test_warnings_and_damaged_tiles_are_counted_and_shown(tmp_path: Path) -> None:
    tiles = square(0, range(1), range(1)) | {(1, 0, 0): b"\xff\xd8damaged"}
    cache = make_cache(tmp_path / "cache", tiles)
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="0-2", compression_quality=50)
    assert repr(result).endswith(f", {len(result.warnings)} warnings, 1 damaged tile>")
    notes = Table(result._repr_html_()).notes
    assert len(notes) == len(result.messages)
    assert {f"Warning: {text}" for text in result.warnings} <= set(notes)
    estimate = estimate_export_tiles_size(cache, levels="0-2")
    assert repr(estimate) == f"<Estimate: {estimate.summary}, 1 warning>"
    assert [message.line for message in estimate.messages] == Table(estimate._repr_html_()).notes


def test_job_is_a_line_and_a_table(cache: Path, tmp_path: Path) -> None:
    job = export_tiles_job({"levels": "x"}, cache=cache, output_directory=tmp_path / "jobs")
    assert repr(job) == f"<Job {job.job_id}: ExportTiles, esriJobFailed>"
    table = Table(job._repr_html_())
    assert table.caption == "ExportTiles, esriJobFailed"
    assert [row[1] for row in table.rows[1:]] == [message.description for message in job.messages]


def test_progress_true_shows_a_bar(cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export_tiles(cache, tmp_path / "x.tpkx", progress=True)
    shown = capfd.readouterr()
    assert "Exporting" in shown.err
    assert "165 of 165 tiles" in shown.err
    assert shown.out == ""
    export_tiles(cache, tmp_path / "y.tpkx", progress=False)
    assert capfd.readouterr() == ("", "")


def test_callback_is_called_as_before(cache: Path, tmp_path: Path) -> None:
    calls: list[tuple[Phase, int, int]] = []
    export_tiles(cache, tmp_path / "x.tpkx", progress=lambda *call: calls.append(call))
    assert calls[-1] == (Phase.EXPORTING, 165, 165)


# ---- errors ----


def test_errors_have_their_parts_as_attributes(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.ParameterError) as caught:
        export_tiles(cache, tmp_path / "x.tpkx", compression_quality=101)
    error = caught.value
    assert (error.what, error.where) == ("value is out of range", "compression_quality")
    assert (error.found, error.expected) == ("101", "an integer from 0 to 100")
    assert str(error) == f"{error.where}: {error.what}; found {error.found}, expected {error.expected}"


@pytest.mark.parametrize("kind", [errors.GptoolError, errors.OutputExistsError, errors.ConfError, errors.CacheError])
def test_parts_survive_pickling(kind: type[errors.GptoolError]) -> None:
    """Errors of worker processes are pickled."""
    error = kind("is wrong", where=Path("a"), found=5)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.what, copy.where, copy.found, copy.expected) == (str(error), "is wrong", Path("a"), 5, None)


# ---- what recompression did ----


def test_message_about_recompression(tmp_path: Path) -> None:
    tiles = square(0, range(1), range(1)) | square(1, range(2), range(2))
    cache = make_cache(tmp_path / "cache", tiles)
    result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=50)
    read, written = (f"{count / 1000:.1f} kB" for count in (result.bytes_read, result.bytes_written))
    sent = {"optimizeTilesForSize": "true", "compressionQuality": "50"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs")
    text = f"recompressed 5 tiles, all tiles from {read} to {written}; most tiles now have quality 55 at levels 0-1"
    assert text in [message.description for message in job.messages]
    copied = export_tiles_job({}, cache=cache, output_directory=tmp_path / "jobs")
    assert not any("recompressed" in message.description for message in copied.messages)
