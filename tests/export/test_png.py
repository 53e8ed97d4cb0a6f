"""Exports with PNG tiles that are optimised without loss."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from gptool import estimate_export_tiles_size, export_tiles, export_tiles_job
from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.errors import ParameterError
from gptool.export.sampling import SAMPLE_TILES
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import PNG_BATCH_TILES, Recompression, recompress_tiles, split_batches
from gptool.model import Message, Phase
from helpers.bundles import Address
from helpers.caches import TILE, conf_text, jpeg_tile, loose_png_tile, make_cache, png_tile, square
from helpers.job_checks import report_of
from helpers.lossless import is_same_image
from helpers.tile_readers import read_tiles

LERC = b"Lerc2 " + bytes(50)
PNG = loose_png_tile(9)
CORRUPT = PNG[:100] + bytes([PNG[100] ^ 1]) + PNG[101:]


def mixed_tiles() -> dict[Address, bytes]:
    """Return PNG tiles, some of which are equal, and JPEG tiles, in two bundles."""
    return {
        (8, row, column): loose_png_tile(row % 7 + column) if (row + column) % 3 else jpeg_tile(row)
        for row in range(122, 134)
        for column in range(100, 105)
    }


def make_mixed_cache(folder: Path, tiles: dict[Address, bytes]) -> Path:
    return make_cache(folder, tiles, conf=conf_text(format="MIXED"))


def pixels(tile: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(tile)) as image:
        return np.asarray(image)


def rgba(tile: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(tile)) as image:
        return np.asarray(image.convert("RGBA"))


def is_png(tile: bytes) -> bool:
    return tile.startswith(b"\x89PNG")


def test_png_tiles_lose_bytes_but_no_pixel(tmp_path: Path) -> None:
    tiles = mixed_tiles()
    result = export_tiles(make_mixed_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx", optimize_png=True)
    written, pngs = read_tiles(result.path), [place for place, tile in tiles.items() if is_png(tile)]
    assert written.keys() == tiles.keys()
    for place, tile in tiles.items():
        if place in pngs:
            assert len(written[place]) < len(tile)
            assert np.array_equal(pixels(written[place]), pixels(tile))
        else:
            assert written[place] == tile
    before, after = (sum(len(found[place]) for place in pngs) for found in (tiles, written))
    total = result.total
    assert total.outcomes == {Outcome.OPTIMISED: len(pngs), Outcome.NOT_REQUESTED: len(tiles) - len(pngs)}
    assert (total.pngs, total.pngs_optimised) == (len(pngs), len(pngs))
    assert (total.png_bytes_read, total.png_bytes_written) == (before, after)
    assert (total.optimised_bytes_read, total.optimised_bytes_written) == (before, after)
    [notice] = result.messages
    assert notice.description.startswith(f"PNG optimised without loss: {len(pngs)} tiles, from ")
    assert notice.description.endswith(f"({100 * (before - after) / before:.1f} % less)")


@pytest.mark.parametrize("storage", ["compact", "compactV2"])
def test_same_bytes_whatever_the_number_of_threads(tmp_path: Path, storage: str) -> None:
    cache = make_mixed_cache(tmp_path / "cache", mixed_tiles())
    contents = []
    for workers in (1, 2, 5):
        folder = tmp_path / str(workers) / "x"
        export_tiles(cache, folder, optimize_png=True, storage_format_type=storage, workers=workers)
        contents.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1] == contents[2]


def test_both_kinds_of_optimisation(tmp_path: Path) -> None:
    tiles = mixed_tiles()
    cache = make_mixed_cache(tmp_path / "cache", tiles)
    result = export_tiles(cache, tmp_path / "x", optimize_png=True, optimize_tiles_for_size=True)
    assert result.total.outcomes == {Outcome.OPTIMISED: len(tiles)}
    for place, tile in read_tiles(result.path).items():
        same = np.array_equal(pixels(tile), pixels(tiles[place])) if is_png(tile) else is_same_image(tile, tiles[place])
        assert same
    jpegs = sum(not is_png(tile) for tile in tiles.values())
    texts = [message.description for message in result.messages]
    assert [text.split(",")[0] for text in texts] == [
        f"optimised without loss: {jpegs} tiles",
        f"PNG optimised without loss: {len(tiles) - jpegs} tiles",
    ]


def test_pixels_of_a_package_in_gdal(tmp_path: Path) -> None:
    tiles = {place: loose_png_tile(place[1] + 2 * place[2]) for place in square(1, range(2), range(2))}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text([1], format="PNG32", tile=TILE))
    results = [
        export_tiles(cache, tmp_path / f"{optimise}.tpkx", optimize_png=optimise).path for optimise in (False, True)
    ]
    images = []
    for path in results:
        with rasterio.open(path) as dataset:
            images.append(dataset.read())
    assert images[0].any()
    assert np.array_equal(images[0], images[1])
    assert results[1].stat().st_size < results[0].stat().st_size


def test_damaged_tiles_are_copied_and_reported(tmp_path: Path) -> None:
    tiles = {(1, 0, 0): PNG, (1, 0, 1): CORRUPT, (1, 1, 0): PNG[:-5], (1, 1, 1): b"no image"}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="PNG32"))
    result = export_tiles(cache, tmp_path / "x.tpkx", optimize_png=True)
    written = read_tiles(result.path)
    assert {place: written[place] for place in list(tiles)[1:]} == {place: tiles[place] for place in list(tiles)[1:]}
    codes = {tile[:3]: tile.code for tile in result.damaged}
    assert codes == {
        (1, 0, 1): TileDamage.PNG_CORRUPT,
        (1, 1, 0): TileDamage.PNG_TRUNCATED,
        (1, 1, 1): TileDamage.UNKNOWN_FORMAT,
    }
    reasons = {tile[:3]: tile.reason for tile in result.damaged}
    assert reasons[1, 0, 1] == "damaged PNG: CRC mismatch of chunk b'IDAT'"
    assert result.total.outcomes == {Outcome.OPTIMISED: 1, Outcome.DAMAGED: 3}


@pytest.mark.parametrize(
    ("tile", "request_", "warning"),
    [
        (jpeg_tile(1), {"optimize_png": True}, "optimize_png has no effect: no tile is a valid PNG"),
        (CORRUPT, {"optimize_png": True}, "optimize_png has no effect: no tile is a valid PNG"),
        (
            PNG,
            {"optimize_png": True, "compression_quality": 50},
            "compression_quality 50 has no effect: no tile is a valid JPEG",
        ),
    ],
)
def test_requests_without_effect(tile: bytes, request_: dict[str, Any], warning: str, tmp_path: Path) -> None:
    result = export_tiles(make_mixed_cache(tmp_path / "cache", {(0, 0, 0): tile}), tmp_path / "x.tpkx", **request_)
    assert warning in result.warnings


def test_a_second_export_changes_nothing(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", {(0, 0, 0): PNG}, conf=conf_text(format="PNG32"))
    first = export_tiles(cache, tmp_path / "x.tpkx", optimize_png=True)
    second = export_tiles(first.path, tmp_path / "y.tpkx", optimize_png=True)
    assert read_tiles(first.path) == read_tiles(second.path)
    assert second.messages == (Message("Informative", "optimize_png makes no tile smaller without loss"),)


@pytest.mark.parametrize(
    ("name", "saving"),
    [("esri-usa.tpkx", 0.43), ("states_filled.tpk", 0.13), ("v1-png-4326", 0.35), ("mixed-v2", 0.09)],
)
def test_real_caches(samples: Path, tmp_path: Path, name: str, saving: float) -> None:
    source = samples / name
    copied = export_tiles(source, tmp_path / "copied.tpkx")
    result = export_tiles(source, tmp_path / "x.tpkx", optimize_png=True)
    assert result.bytes_written <= (1 - saving) * result.bytes_read
    tiles, written = read_tiles(copied.path), read_tiles(result.path)
    assert tiles.keys() == written.keys()
    for place, tile in tiles.items():
        if written[place] != tile:
            assert written[place][:33] == tile[:33]  # the header
            assert np.array_equal(rgba(written[place]), rgba(tile))


# ---- estimates ----


def test_an_estimate_of_all_tiles_is_exact(tmp_path: Path) -> None:
    cache = make_mixed_cache(tmp_path / "cache", mixed_tiles())
    estimate = estimate_export_tiles_size(cache, optimize_png=True, output=tmp_path / "x.tpkx")
    result = export_tiles(cache, tmp_path / "x.tpkx", optimize_png=True)
    assert estimate.interval == (result.size, result.size)
    assert estimate.messages == result.messages


def test_samples_are_bounded(tmp_path: Path) -> None:
    """The tiles differ so much that the estimate of a recompression would sample more of them."""
    tiles = {
        (8, row, column): loose_png_tile(row * column % 11, 32) if column % 5 else png_tile(row, 24)
        for row in range(100, 124)
        for column in range(100, 124)
    }
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="PNG32"))
    estimate = estimate_export_tiles_size(cache, optimize_png=True, output=tmp_path / "x.tpkx")
    assert 0 < estimate.sampled_tiles <= SAMPLE_TILES
    size = export_tiles(cache, tmp_path / "x.tpkx", optimize_png=True).size
    assert estimate.interval[0] <= size <= estimate.interval[1]


# ---- progress ----


def make_batch(count: int) -> TileBatch:
    tile = np.frombuffer(png_tile(1, 8), np.uint8)
    return TileBatch.contiguous(np.arange(count) + 5, np.tile(tile, count), np.full(count, tile.size, np.uint32))


def test_batches_are_small_so_that_an_export_can_be_stopped() -> None:
    batches = list(split_batches([make_batch(3), make_batch(40)], Recompression(optimize_png=True)))
    assert [len(batch.sizes) for batch in batches] == [3, PNG_BATCH_TILES, PNG_BATCH_TILES, 40 - 2 * PNG_BATCH_TILES]
    assert [int(position) for batch in batches[1:] for position in batch.positions] == list(range(5, 45))
    for batch in batches:
        assert {batch.tile(i) for i in range(len(batch.sizes))} == {png_tile(1, 8)}
    whole = [make_batch(40)]
    assert list(split_batches(whole, Recompression(50))) == whole


def test_progress_is_reported_after_each_of_them(tmp_path: Path) -> None:
    cache = make_mixed_cache(tmp_path / "cache", mixed_tiles())
    seen: list[int] = []

    def watch(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.ESTIMATING:
            seen.append(done)

    estimate_export_tiles_size(cache, optimize_png=True, progress=watch)
    assert max(np.diff([0, *seen])) <= PNG_BATCH_TILES


def test_other_formats_in_a_batch() -> None:
    tiles = [PNG, LERC, jpeg_tile(1), PNG]
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    batch = TileBatch.contiguous(np.arange(4), np.frombuffer(b"".join(tiles), np.uint8), sizes)
    result, found = recompress_tiles(batch, Recompression(50, optimize_png=True))
    assert found.outcomes == {Outcome.OPTIMISED: 2, Outcome.KEPT_NOT_JPEG: 1, Outcome.RECOMPRESSED: 1}
    assert result.tile(0) == result.tile(3) != PNG
    assert result.tile(1) == LERC
    assert found.qualities.total() == 1


# ---- jobs, and the package ----


@pytest.mark.parametrize("sent", ["true", "false"])
def test_jobs_say_what_was_saved(tmp_path: Path, sent: str) -> None:
    tiles = mixed_tiles()
    cache = make_mixed_cache(tmp_path / "cache", tiles)
    job = export_tiles_job({"tilePackage": "true", "optimizePng": sent}, cache=cache, output_directory=tmp_path / "out")
    report = report_of(job)
    pngs = sum(map(is_png, tiles.values())) if sent == "true" else 0
    assert report["request"]["optimizePng"] == (sent == "true")
    assert report["optimisedPng"]["tiles"] == report["tilesOptimised"] == pngs
    assert (report["optimisedPng"]["bytesWritten"] < report["optimisedPng"]["bytesRead"]) == (sent == "true")
    texts = [message["description"] for message in job.to_json()["messages"]]
    assert any(text.startswith(f"PNG optimised without loss: {pngs} tiles") for text in texts) == (sent == "true")


def test_without_the_package_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_mixed_cache(tmp_path / "cache", mixed_tiles())
    monkeypatch.setitem(sys.modules, "oxipng", None)
    problem = r"optimize_png: oxipng-pybind, which makes PNG tiles smaller, is not installed"
    with pytest.raises(ParameterError, match=problem):
        export_tiles(cache, tmp_path / "x.tpkx", optimize_png=True)
    job = export_tiles_job({"optimizePng": "true"}, cache=cache, output_directory=tmp_path / "out")
    assert job.to_json()["jobStatus"] == "esriJobFailed"
    assert "gptool-export-tiles[png]" in str(job.to_json()["messages"])
    assert not (tmp_path / "x.tpkx").exists()
    assert export_tiles(cache, tmp_path / "x.tpkx").tiles == len(mixed_tiles())
