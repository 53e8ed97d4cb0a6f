"""Exports of every storage to every output kind: the same tiles, the same scheme, the same extent."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from gptool import ExportResult, export_tiles, open_cache
from gptool._jpeg import Outcome
from gptool.cache import TileCache
from gptool.plan import make_plan
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, png_tile, square, world
from helpers.checks import Extent, check_dataset, check_nothing_left, check_package, check_tpk, read_cdi, read_extent
from helpers.lerc_tiles import lerc1_tile, lerc2_tile
from helpers.packages import make_tpk, make_tpkx, root_text
from helpers.plans import make_request
from helpers.tile_readers import COMPACT, COMPACT_V2, read_json, read_member, read_tiles

Tiles = dict[Address, bytes]
Levels = range | list[int]


class Content(NamedTuple):
    """The content of a cache: tiles, the levels of its scheme, and the image format that it declares."""

    tiles: Tiles
    levels: Levels
    format: str = "JPEG"


def mixed_tiles() -> Tiles:
    """Return tiles in JPEG, PNG, two versions of LERC, and an unknown format."""
    kinds = [jpeg_tile(1), png_tile(2), lerc2_tile(4), lerc1_tile(), b"unknown"]
    return {(3, i, 7 - i): tile for i, tile in enumerate(kinds)} | {(2, 1, 1): jpeg_tile(3, 75)}


CONTENTS = {
    "world": Content(world(), range(9)),
    "far from row 0": Content(square(22, range(0x1FFFFE, 0x200002), range(0x2ABFFF, 0x2AC001)), range(21, 24)),
    "non-consecutive levels": Content(square(3, range(2), range(2)) | square(7, range(100, 102), range(1)), [3, 5, 7]),
    "outside the web grid": Content(square(0, range(2), range(1)) | square(3, range(6, 11), range(2)), range(4)),
    "mixed_tiles": Content(mixed_tiles(), range(4), "MIXED"),
}


def conf(content: Content, storage: str = COMPACT_V2) -> str:
    return conf_text(content.levels, format=content.format, storage=storage)


def root(content: Content) -> str:
    image = {"format": content.format, "compressionQuality": 85, "bandCount": 3, "lercError": 0}
    return root_text(content.levels, tileImageInfo=image)


SOURCES: dict[str, Callable[[Path, Content], Path]] = {
    "from V2": lambda path, content: make_cache(path / "cache", content.tiles, conf=conf(content), dead=9),
    "from V1": lambda path, content: make_v1_cache(path / "cache", content.tiles, conf=conf(content, COMPACT)),
    "from exploded": lambda path, content: make_exploded_cache(path / "cache", content.tiles, conf=conf(content)),
    "from tpkx": lambda path, content: make_tpkx(path / "cache.tpkx", content.tiles, root=root(content)),
    "from tpk": lambda path, content: make_tpk(path / "cache.tpk", content.tiles, conf=conf(content, COMPACT)),
}


class Result(NamedTuple):
    """An output kind: the name of the result, its storage format, and the parameters of the request."""

    name: str
    storage: str
    request: Mapping[str, str]

    def check(self, path: Path, levels: set[int]) -> None:
        if path.suffix:
            (check_package if path.suffix == ".tpkx" else check_tpk)(path, levels=levels)
        else:
            check_dataset(path, storage=self.storage, levels=levels)

    def export(self, source: Path, folder: Path, **request: object) -> ExportResult:
        return export_tiles(source, folder / self.name, **self.request, **request)  # type: ignore[arg-type]


RESULTS = {
    "to tpkx": Result("x.tpkx", COMPACT_V2, {}),
    "to tpk": Result("x.tpk", COMPACT, {}),
    "to V2": Result("v2", COMPACT_V2, {}),
    "to V1": Result("v1", COMPACT, {"storage_format_type": "compact"}),
}


def each(table: Mapping[str, object]) -> pytest.MarkDecorator:
    """Return a mark that parametrizes a test with the entries of SOURCES, RESULTS or CONTENTS."""
    name = {id(SOURCES): "make_source", id(RESULTS): "result_kind", id(CONTENTS): "content"}[id(table)]
    return pytest.mark.parametrize(name, [pytest.param(value, id=key) for key, value in table.items()])


def read_files(path: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a result, by relative path."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def read_extents(path: Path) -> tuple[Extent, Extent | None]:
    """Return the extent that a result states, and its extent in degrees if it states one."""
    if path.suffix == ".tpkx":
        return read_extent(read_json(path, "root.json")["fullExtent"]), read_extent(
            read_json(path, "iteminfo.json")["extent"]
        )
    if path.suffix == ".tpk":
        service = json.loads(read_member(path, "servicedescriptions/mapserver/mapserver.json"))
        return read_cdi(read_member(path, "v101/Layers/conf.cdi")), read_extent(
            service["resourceInfo"]["geoFullExtent"]
        )
    return read_cdi(read_member(path, "conf.cdi")), None


def scheme_texts(cache: TileCache) -> list[tuple[int, str, str]]:
    """Return level, scale and resolution of each level, with their digits as in the document."""
    return [(lod.level, lod.scale.text, lod.resolution.text) for lod in cache.scheme.lods]


@each(CONTENTS)
@each(RESULTS)
@each(SOURCES)
def test_tiles_and_scheme_are_the_same_in_every_result(
    tmp_path: Path, make_source: Callable[[Path, Content], Path], result_kind: Result, content: Content
) -> None:
    source = make_source(tmp_path, content)
    (tmp_path / "out").mkdir()
    result = result_kind.export(source, tmp_path / "out")
    check_nothing_left(tmp_path / "out", result_kind.name)
    result_kind.check(result.path, {level for level, _, _ in content.tiles})
    assert read_tiles(result.path) == content.tiles
    assert result.size == sum(map(len, read_files(result.path).values()))
    assert [tile[:3] for tile in result.damaged] == [a for a, tile in content.tiles.items() if tile == b"unknown"]
    before, after = open_cache(source), open_cache(result.path)
    assert scheme_texts(after) == scheme_texts(before)
    assert (after.scheme.origin_x.text, after.scheme.reference.wkid) == ("-20037508.342787001", 102100)
    assert (after.storage, after.image.format) == (result_kind.storage, content.format)
    assert (
        make_plan(after, make_request()).extent() == make_plan(before, make_request()).extent() == after.declared_extent
    )


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({}, id="everything"),
        pytest.param({"levels": "8"}, id="one deep level"),
        pytest.param({"export_extent": "1,1,2000000,2000000"}, id="extent"),
    ],
)
@pytest.mark.parametrize("cdi", [None, (-1e7, -1.5e7, 1.25e7, 2e7)], ids=["no cdi", "cdi"])
def test_all_results_state_the_same_extent(tmp_path: Path, request_: dict[str, str], cdi: Extent | None) -> None:
    source = make_cache(tmp_path / "cache", world(), cdi=cdi)
    stated = [read_extents(result_kind.export(source, tmp_path, **request_).path) for result_kind in RESULTS.values()]
    assert len({extent for extent, _ in stated}) == 1
    assert len({degrees for _, degrees in stated if degrees}) == 1
    for name in ("root.json", "servicedescriptions/mapserver/mapserver.json"):
        path = tmp_path / ("x.tpkx" if name == "root.json" else "x.tpk")
        described = read_json(path, name)
        described = described.get("contents", described)
        assert described["initialExtent"] == described["fullExtent"]
        reference = described["fullExtent"]["spatialReference"]
        assert (reference["wkid"], reference["latestWkid"]) == (102100, 3857)


@each(RESULTS)
@each(SOURCES)
def test_recompressed_tiles_are_the_same_in_every_result(
    tmp_path: Path, make_source: Callable[[Path, Content], Path], result_kind: Result
) -> None:
    """JPEG tiles are those of the .tpkx; all others are unchanged."""
    content = Content(world() | mixed_tiles(), range(9), "MIXED")
    source = make_source(tmp_path, content)
    result = result_kind.export(source, tmp_path, compression_quality=50)
    expected = export_tiles(source, tmp_path / "expected.tpkx", compression_quality=50)
    tiles = read_tiles(result.path)
    assert tiles == read_tiles(expected.path)
    jpegs = {address for address, tile in content.tiles.items() if tile.startswith(b"\xff\xd8")}
    assert {address for address, tile in tiles.items() if tile != content.tiles[address]} == jpegs
    for address in jpegs:
        assert len(tiles[address]) < len(content.tiles[address])
        with Image.open(io.BytesIO(tiles[address])) as image:
            image.load()
    assert result.total.outcomes == {Outcome.RECOMPRESSED: len(jpegs), Outcome.KEPT_NOT_JPEG: 3, Outcome.DAMAGED: 1}
    assert [tile[:3] for tile in result.damaged] == [(3, 4, 3)]
    assert result.total.effective_quality == open_cache(result.path).image.compression_quality == 55


@pytest.mark.parametrize(
    ("quality", "tables", "stated"), [(50, "exact", 50), (50, "efficient", 55), (None, "exact", 98)]
)
@each(RESULTS)
def test_every_result_states_the_quality_of_recompressed_tiles(
    tmp_path: Path, result_kind: Result, quality: int | None, tables: str, stated: int
) -> None:
    """The cache declares 98, which a copy repeats; its tiles have 85."""
    source = make_cache(tmp_path / "cache", world(), conf=conf_text(quality=98))
    path = result_kind.export(source, tmp_path, compression_quality=quality, tables=tables).path
    assert open_cache(path).image.compression_quality == stated


@each(RESULTS)
@each(SOURCES)
def test_results_are_reproducible(
    tmp_path: Path, make_source: Callable[[Path, Content], Path], result_kind: Result
) -> None:
    source = make_source(tmp_path, CONTENTS["world"])
    written = []
    for i, workers in enumerate((1, 3)):
        (tmp_path / f"{i}").mkdir()
        written.append(
            read_files(result_kind.export(source, tmp_path / f"{i}", compression_quality=40, workers=workers).path)
        )
    assert written[0] == written[1]


def test_chain_of_exports_equals_a_direct_export(cache: Path, tmp_path: Path) -> None:
    """The last package is the one that a direct export writes."""
    path = cache
    for step, key in enumerate(("to tpk", "to V2", "to tpkx", "to V1", "to tpk", "to tpkx")):
        (tmp_path / f"{step}").mkdir()
        path = RESULTS[key].export(path, tmp_path / f"{step}").path
    direct = export_tiles(cache, tmp_path / "x.tpkx").path
    assert read_tiles(path) == world()
    assert read_json(path, "root.json") == read_json(direct, "root.json")
    bundle = "tile/L08/R0080C0080.bundle"
    assert read_member(path, bundle) == read_member(direct, bundle)
