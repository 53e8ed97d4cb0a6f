"""The arguments of Python calls: their names in messages, and values that must not stand for something else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gptool import estimate_export_tiles_size, export_tiles, export_tiles_job, info, open_cache, verify
from gptool.errors import CacheNotFoundError, OutputExistsError, ParameterError, TooManyTilesError
from gptool.tool import sample_compressions_job
from helpers.caches import make_cache, square

NAMES: dict[str, tuple[dict[str, Any], str]] = {
    "extent": ({"export_extent": "1,2"}, "export_extent: value is not an extent; found '1,2'"),
    "quality": ({"compression_quality": 101}, "compression_quality: value is out of range; found 101"),
    "contradiction": (
        {"compression_quality": 50, "optimize_tiles_for_size": False},
        "optimize_tiles_for_size: is false although compression_quality is given",
    ),
    "scale": ({"levels": "37000000", "export_by": "Scale"}, "with nearest_level the nearest one is used"),
    "area": ({"area_of_interest": "1,2,3,4"}, "expected polygons; export_extent takes a box"),
    "empty area": ({"area_of_interest": ""}, "area_of_interest: is empty; found '', expected a value, or None"),
    "empty levels": ({"levels": " "}, "levels: is empty; found ' ', expected a value, or None"),
    "empty extent": ({"export_extent": ""}, "export_extent: is empty; found '', expected a value, or None"),
    "storage format": (
        {"storage_format_type": "exploded"},
        "storage_format_type: invalid choice; found 'exploded', expected compactV2 or compact, or Esri's long names",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), NAMES.values(), ids=list(NAMES))
def test_errors_name_the_arguments(cache: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    for call in (
        lambda: estimate_export_tiles_size(cache, **arguments),
        lambda: export_tiles(cache, tmp_path / "x", **arguments),
    ):
        with pytest.raises(ParameterError) as caught:
            call()
        assert message in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert not list(tmp_path.iterdir())


def test_parts_of_errors_name_the_arguments(cache: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        estimate_export_tiles_size(cache, export_extent="1,2")
    assert (caught.value.where, caught.value.found) == ("export_extent", "'1,2'")
    with pytest.raises(TooManyTilesError) as exceeded:
        estimate_export_tiles_size(cache, max_export_tiles_count=30)
    assert "levels=0-2 (export_by=LevelID) with 21 tiles" in exceeded.value.advice[1]
    assert exceeded.value.__notes__ == list(exceeded.value.advice)


def test_existing_output_names_the_argument(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").touch()
    with pytest.raises(OutputExistsError, match=r"already exists; expected a new name, or overwrite=True$"):
        export_tiles(cache, tmp_path / "x.tpkx")


@pytest.mark.parametrize(("export_by", "level", "found"), [("LevelID", "2", "level 2"), ("Scale", None, "Scale ")])
def test_empty_selection_shows_levels_as_requested(
    tmp_path: Path, export_by: str, level: str | None, found: str
) -> None:
    cache = make_cache(tmp_path / "cache", square(1, range(1), range(1)))
    scale = str(open_cache(cache).scheme.lods[2].scale)
    with pytest.raises(ParameterError) as caught:
        export_tiles(cache, tmp_path / "x.tpkx", levels=level or scale, export_by=export_by)
    assert f"selection contains no tiles; found {found if level else found + scale}, expected " in str(caught.value)


def test_messages_name_the_arguments(cache: Path) -> None:
    ring = {"rings": [[[0, 0], [0, 9e6], [9e6, 9e6], [0, 0]]]}
    estimate = estimate_export_tiles_size(cache, area_of_interest=ring, export_extent="1,1,2,2", levels="0-2")
    assert [message.description for message in estimate.messages] == [
        "area_of_interest supersedes export_extent, which is ignored"
    ]


def test_text_is_not_a_flag(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").write_text("precious")
    overwrite: Any = "no"
    with pytest.raises(ParameterError, match="overwrite: invalid choice; found 'no', expected true or false"):
        export_tiles(cache, tmp_path / "x.tpkx", overwrite=overwrite)
    assert (tmp_path / "x.tpkx").read_text() == "precious"


def test_client_is_not_a_list_of_letters(cache: Path) -> None:
    with pytest.raises(ParameterError, match=r"clients: is a text, not a list; found gdal, expected \['gdal'\]"):
        verify(cache, clients="gdal")


class NoPath:
    def __repr__(self) -> str:
        return "no path"


@pytest.mark.parametrize("value", [None, 5, b"x", NoPath()])
def test_values_that_are_no_paths(cache: Path, tmp_path: Path, value: Any) -> None:
    for call in (
        lambda: export_tiles(value, tmp_path / "x"),
        lambda: estimate_export_tiles_size(value),
        lambda: info(value),
        lambda: verify(value),
        lambda: open_cache(value),
    ):
        with pytest.raises(CacheNotFoundError) as caught:
            call()
        assert str(caught.value).startswith(f"cache: value is not a path; found {value!r}, expected a cache folder")
    with pytest.raises(ParameterError) as refused:
        export_tiles(cache, value)
    assert str(refused.value).startswith(f"output: value is not a path; found {value!r}, expected a name that ends in")


@pytest.mark.parametrize("value", [5, "yes"])
def test_progress_is_a_flag_or_a_callable(cache: Path, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"progress: value is no progress; found {value!r}, expected True, False"):
        estimate_export_tiles_size(cache, progress=value)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("", "output_directory: is empty; found '', expected the path of a folder"),
        (" ", "output_directory: is empty; found ' ', expected the path of a folder"),
        (None, "output_directory: value is not a path; found None, expected the path of a folder"),
        ("s3://bucket/x", "output_directory: is a URL, not a path; found s3://bucket/x"),
    ],
)
def test_output_directory_of_a_job(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in (export_tiles_job, sample_compressions_job):
        job = run({}, cache=cache, output_directory=folder)
        assert job.status == "esriJobFailed"
        assert message in [each.description[: len(message)] for each in job.messages]
    assert not list(tmp_path.iterdir())


def test_empty_location_is_not_the_current_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cache)
    with pytest.raises(FileNotFoundError, match="path is empty"):
        verify("")
