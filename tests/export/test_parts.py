"""Exports in parts: random selections, against the export of the same selection to one package."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import estimate_export_tiles_size, export_tiles, open_cache, verify
from gptool.errors import ParameterError
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile
from helpers.checks import check_nothing_left
from helpers.tile_readers import read_tiles

EXAMPLES = int(os.environ.get("GPTOOL_PARTS_EXAMPLES", "10"))
"""Random selections; 200 are run by hand."""

LEVELS = range(9)
UNEVEN = (0.7, 0.28, 0.14, 0.056, 0.028, 0.014)
"""Resolutions of a tiling scheme whose grids are not nested: most ratios are 2.5."""


def uneven_world() -> dict[Address, bytes]:
    """Return tiles of all levels with holes: denser in one quarter, and of different sizes."""
    rng = np.random.default_rng(20)
    tiles: dict[Address, bytes] = {}
    for level in LEVELS:
        side = 2**level
        first, last = (0, side) if level < 5 else (side // 2 - 12, side // 2 + 12)
        for row in range(first, last):
            for column in range(first, last):
                dense = row >= side // 2 and column >= side // 2
                if level < 2 or rng.random() < (0.9 if dense else 0.3):
                    seed = int(rng.integers(40))
                    tiles[level, row, column] = png_tile(seed) if seed % 7 == 0 else jpeg_tile(seed, 95 - seed)
    return tiles


def uneven_conf() -> str:
    """Return a conf.xml of a tiling scheme whose grids are not nested."""
    text = conf_text([], tile=64, reference="<WKID>3857</WKID>", format="MIXED")
    lods = "".join(
        f"<LODInfo><LevelID>{level}</LevelID><Scale>{resolution * 3779.5}</Scale>"
        f"<Resolution>{resolution}</Resolution></LODInfo>"
        for level, resolution in enumerate(UNEVEN)
    )
    return text.replace("</LODInfos>", f"{lods}</LODInfos>")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uneven")
    return make_cache(folder / "world", uneven_world(), conf=conf_text(LEVELS, format="MIXED"))


@pytest.fixture(scope="module")
def foreign_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose grids are not nested, with 1,200 tiles of five levels."""
    tiles: dict[Address, bytes] = {}
    for level, resolution in enumerate(UNEVEN[:5]):
        side = round(20 * 0.7 / resolution) if level < 3 else 24
        tiles |= {(level, row, column): jpeg_tile(row + column) for row in range(min(side, 24)) for column in range(13)}
    return make_cache(tmp_path_factory.mktemp("foreign") / "world", tiles, conf=uneven_conf())


@st.composite
def selections(draw: st.DrawFn) -> dict[str, Any]:
    """Return the arguments of an export: levels, a box or a triangle, the kind, the recompression and the limits."""
    arguments: dict[str, Any] = {"storage_format_type": draw(st.sampled_from(["compactV2", "compact"]))}
    if draw(st.booleans()):
        arguments["levels"] = sorted(draw(st.sets(st.sampled_from(LEVELS), min_size=1)))
    coordinates = st.integers(-16_000_000, 16_000_000)
    area = draw(st.sampled_from(["all", "box", "triangle"]))
    if area != "all":
        x, y = draw(coordinates), draw(coordinates)
        width, height = (draw(st.integers(10_000, 20_000_000)) for _ in range(2))
        if area == "box":
            arguments["export_extent"] = (x, y, x + width, y + height)
        else:
            ring = [[x, y], [x, y + height], [x + width, y], [x, y]]
            arguments["area_of_interest"] = {"rings": [ring]}
    if draw(st.booleans()):
        arguments["compression_quality"] = draw(st.sampled_from([20, 60]))
    limits = draw(st.sampled_from(["tiles", "size", "both"]))
    if limits != "size":
        arguments["max_part_tiles"] = draw(st.integers(20, 1000))
    if limits != "tiles":
        arguments["max_part_size"] = draw(st.integers(600_000, 2_500_000))
    return arguments


def check_parts(cache: Path, folder: Path, arguments: dict[str, Any], *, is_nested: bool = True) -> list[Any]:
    """Export in parts and as a whole, and compare them; return the parts that the manifest lists."""
    limits = {name: arguments[name] for name in ("max_part_size", "max_part_tiles") if name in arguments}
    suffix = ".tpk" if arguments.get("storage_format_type") == "compact" else ".tpkx"
    selection = {name: value for name, value in arguments.items() if name not in limits}
    whole = export_tiles(cache, folder / f"whole{suffix}", **selection)
    estimate = estimate_export_tiles_size(cache, output=folder / "parts", **arguments)
    result = export_tiles(cache, folder / "parts", **arguments)

    files = {path.name: path.read_bytes() for path in (folder / "parts").iterdir()}
    manifest = json.loads(files.pop("manifest.json"))
    assert [part["name"] for part in manifest["parts"]] == list(dict.fromkeys(part.name for part in result.parts))
    assert files.keys() == {part["name"] for part in manifest["parts"]}
    found, whole_tiles = Counter[Address](), read_tiles(whole.path)
    for part in manifest["parts"]:
        data, tiles = files[part["name"]], read_tiles(folder / "parts" / part["name"])
        assert (part["bytes"], part["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert (part["tiles"], part["levels"]) == (len(tiles), sorted({level for level, _, _ in tiles}))
        assert len(data) <= limits.get("max_part_size", len(data))
        assert len(tiles) <= limits.get("max_part_tiles", len(tiles))
        declared = open_cache(folder / "parts" / part["name"]).declared_extent
        assert declared == pytest.approx(tuple(part["extent"].values()))
        found.update(tiles.keys())
        assert all(whole_tiles[address] == tile for address, tile in tiles.items())
    assert found.keys() == whole_tiles.keys()
    if is_nested:
        assert found.total() == len(found)
        assert {level: report.to_json() for level, report in result.levels.items()} == {
            level: report.to_json() for level, report in whole.levels.items()
        }
    check_verified(cache, folder, manifest, whole.path)

    size = sum(map(len, files.values())) + (folder / "parts" / "manifest.json").stat().st_size
    assert (result.size, manifest["bytes"]) == (size, sum(map(len, files.values())))
    if "compression_quality" not in arguments:
        assert (estimate.parts, estimate.total_size) == (len(files), size)
    check_nothing_left(folder, "parts", f"whole{suffix}")
    return manifest["parts"]  # type: ignore[no-any-return]


def check_verified(cache: Path, folder: Path, manifest: dict[str, Any], whole: Path) -> None:
    """Check that each part passes where the whole does: tiles outside of a triangle are missing in both."""
    expected = {finding.rule for finding in verify(whole, source=cache).findings}
    assert expected <= {"tiles.source-missing"}
    for part in manifest["parts"]:
        findings = verify(folder / "parts" / part["name"], source=cache).findings
        assert {finding.rule for finding in findings} <= expected, (part["name"], findings[:3])


@settings(max_examples=EXAMPLES, deadline=None)
@given(arguments=selections())
def test_union_of_parts_is_the_whole(cache: Path, arguments: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            check_parts(cache, Path(folder), arguments)
        except ParameterError as error:
            assert "selection contains no tiles" in str(error)


@pytest.mark.parametrize("quality", [None, 40])
@pytest.mark.parametrize("limits", [{"max_part_tiles": 40}, {"max_part_tiles": 300}, {"max_part_size": 800_000}])
def test_grids_that_are_not_nested(
    foreign_cache: Path, tmp_path: Path, quality: int | None, limits: dict[str, int]
) -> None:
    parts = check_parts(foreign_cache, tmp_path, {"compression_quality": quality, **limits}, is_nested=False)
    assert len(parts) > 3


@pytest.mark.parametrize("quality", [20, 40, 60])
def test_parts_that_turn_out_too_large_have_the_name_of_their_first_part(
    cache: Path, tmp_path: Path, quality: int
) -> None:
    """A part of several levels in one cell, and its own first part, begin at the same tile."""
    check_parts(cache, tmp_path, {"compression_quality": quality, "max_part_size": 500_000})
