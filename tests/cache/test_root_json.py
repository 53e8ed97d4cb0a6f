"""Tests of root.json and of packages: order, compression, foreign files, hostile paths, vector tiles."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import export_tiles, open_cache
from gptool.cache.root_json import RootJson, read_root_json
from gptool.errors import CacheError, CacheNotFoundError, ConfError, GptoolError
from gptool.model import SpatialReference, StorageFormat
from gptool.plan import make_plan
from helpers.caches import conf_text, make_cache, make_exploded_cache, make_v1_cache, square
from helpers.checks import check_package
from helpers.packages import make_tpk, make_tpkx, root_text
from helpers.plans import make_request
from helpers.program_readers import read_with_gptool
from helpers.tile_readers import read_package

TILES = square(0, range(1), range(1)) | square(8, range(126, 130), range(126, 130))
ONE = square(0, range(1), range(1))
WHERE = Path("/somewhere/x.tpkx/root.json")


def read(text: str | bytes) -> RootJson:
    return read_root_json(text if isinstance(text, bytes) else text.encode(), WHERE)


def changed(part: str, **fields: object) -> str:
    """Return a root.json with other fields in one of its objects; None removes a field."""
    root = json.loads(root_text())
    root[part] = {name: value for name, value in (root[part] | fields).items() if value is not None}
    return json.dumps(root)


def test_stated_values_are_read() -> None:
    found = read(root_text([5, 2, 9], fullExtent='{"xmin":-1,"ymin":-2.5,"xmax":3e2,"ymax":4}')).description
    assert [lod.level for lod in found.scheme.lods] == [2, 5, 9]
    assert found.scheme.lods[0].resolution.text == "156543.03392800014"  # its digits, not those of a float
    assert (found.scheme.origin_x.text, found.scheme.tile_rows) == ("-20037508.342787001", 64)
    assert (found.scheme.reference.wkid, found.scheme.reference.latest_wkid) == (102100, 3857)
    assert (found.image.format, found.image.compression_quality, found.image.band_count) == ("JPEG", 85, 3)
    assert (found.storage, found.conf_xml) == (StorageFormat.COMPACT_V2, None)


VARIANTS: dict[str, tuple[str | bytes, Callable[[RootJson], bool]]] = {
    "byte order mark": (root_text().encode("utf-8-sig"), lambda root: len(root.description.scheme.lods) == 9),
    "UTF-16": (root_text().encode("utf-16"), lambda root: len(root.description.scheme.lods) == 9),
    "duplicate keys": (
        root_text().replace('"version"', '"tileInfo":3,"version"', 1),
        lambda root: root.description.scheme.tile_rows == 64,  # the last one is used, as by other JSON readers
    ),
    "512 pixels": (root_text(tile=512), lambda root: root.description.scheme.tile_columns == 512),
    "only latestWkid": (
        root_text(spatialReference={"latestWkid": 3857}),
        lambda root: root.description.scheme.reference == SpatialReference(None, 3857, None),
    ),
    "only wkt": (root_text(spatialReference={"wkt": "X"}), lambda root: root.description.scheme.reference.wkt == "X"),
    "spatial reference in tileInfo": (
        root_text(spatialReference=None),
        lambda root: root.description.scheme.reference.wkid == 102100,
    ),
    "no dpi": (changed("tileInfo", dpi=None), lambda root: root.description.scheme.dpi.text == "96"),
    "no storageInfo": (root_text(storageInfo=None), lambda root: root.description.storage is StorageFormat.COMPACT_V2),
    "no extent": (root_text(), lambda root: root.full_extent is None),
    "extent": (
        root_text(fullExtent='{"xmin":-1,"ymin":-2.5,"xmax":3e2,"ymax":4}'),
        lambda root: root.full_extent == (-1, -2.5, 300, 4),
    ),
    "extent of NaN": (
        root_text(fullExtent='{"xmin":NaN,"ymin":NaN,"xmax":NaN,"ymax":NaN}'),
        lambda root: root.full_extent is None,
    ),
    "LERC": (
        root_text(tileImageInfo={"format": "LERC2D", "lercError": 0.5}),
        lambda root: (root.description.image.format, str(root.description.image.lerc_error)) == ("LERC2D", "0.5"),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_read(name: str) -> None:
    text, holds = VARIANTS[name]
    assert holds(read(text))


DEPTH = 100_000
INVALID: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", "is not valid JSON"),
    "truncated file": (root_text()[:400], "is not valid JSON"),
    "not UTF-8": (root_text().encode().replace(b"world", b"w\xffrld"), "is not valid JSON"),
    "array": ("[]", "is not a JSON object; found an empty array, expected the root.json of a package"),
    "null": ("null", "is not a JSON object; found null"),
    "other document": ("{}", "tileInfo is missing; expected the tiling scheme of a tile package"),
    "100,000 nested arrays": ("[" * DEPTH, "is not valid JSON"),
    "100,000 nested objects": ('{"a":' * DEPTH, "is not valid JSON"),
    "nested arrays in an unused field": (root_text(name="[" * DEPTH + "]" * DEPTH), "is not valid JSON"),
    "million digits": (
        root_text().replace('"x":-', '"x":' + "9" * 10**6),
        r"tileInfo\.origin\.x is invalid; found 999",
    ),
    "million decimals": (
        root_text().replace('"x":-', '"x":0.' + "9" * 10**6 + ',"z":'),
        r"\.x is invalid; found 0\.999",
    ),
    "no levels": (
        root_text([]),
        r"tileInfo\.lods is invalid; found an empty array, expected at least one level of detail",
    ),
    "no array of levels": (changed("tileInfo", lods=None), r"tileInfo\.lods is missing; expected at least one level"),
    "levels that are no objects": (
        changed("tileInfo", lods=[1]),
        r"tileInfo\.lods is invalid; found an array with other values, expected an array of objects",
    ),
    "duplicate level": (
        root_text([1, 1]),
        r"tileInfo\.lods\[0\]\.level is not unique; found \[1, 1\], expected each level once",
    ),
    "level of 20 digits": (
        root_text().replace('"level":3', f'"level":{"9" * 20}'),
        r"tileInfo\.lods\[3\]\.level is invalid; found 99999999999999999999, expected an integer from 0 to 99",
    ),
    "level of 3.5": (root_text().replace('"level":3', '"level":3.5'), r"lods\[3\]\.level is invalid; found 3\.5"),
    "resolution of 0": (
        re.sub('"resolution":[^,]*', '"resolution":0', root_text()),
        r"found 0, expected a number from 1e-15 to 1e\+15",
    ),
    "resolution of NaN": (
        re.sub('"resolution":[^,]*', '"resolution":NaN', root_text()),
        "resolution is invalid; found NaN",
    ),
    "infinite scale": (re.sub('"scale":[^}]*', '"scale":1e999', root_text()), "scale is invalid; found 1e999"),
    "infinite origin": (
        root_text().replace('"x":-', '"x":-Infinity,"z":-'),
        r"tileInfo\.origin\.x is invalid; found -Infinity",
    ),
    "origin above the maximum": (
        root_text().replace('"x":-', '"x":1e300,"z":-'),
        r"found 1e300, expected a coordinate from -1e\+15 to 1e\+15",
    ),
    "tiles of 0 pixels": (
        changed("tileInfo", rows=0),
        r"tileInfo\.rows is invalid; found 0, expected an integer from 1",
    ),
    "tiles of 10^40 pixels": (changed("tileInfo", cols=10**39), r"tileInfo\.cols is invalid; found 1000000000"),
    "no origin": (changed("tileInfo", origin=None), r"tileInfo\.origin is missing; expected the origin"),
    "quality of 101": (changed("tileImageInfo", compressionQuality=101), "compressionQuality is invalid; found 101"),
    "unknown storage format": (changed("storageInfo", storageFormat="zarr"), "storageFormat is invalid; found zarr"),
    "packet size of 64": (changed("storageInfo", packetSize=64), "packetSize is invalid; found 64"),
    "infinite extent": (root_text(fullExtent='{"xmin":-Infinity}'), r"fullExtent\.xmin is invalid; found -Infinity"),
    "value of another type": (changed("tileInfo", rows=[256]), r"tileInfo\.rows is invalid; found an array, expected"),
    "absolute path": (
        root_text(tileBundlesPath=json.dumps("/etc")),
        "tileBundlesPath is invalid; found /etc, expected the path of a folder in the package",
    ),
    "path to a parent folder": (
        root_text(tileBundlesPath='"tile/../../x"'),
        "tileBundlesPath is invalid; found tile/../../x",
    ),
    "path to a parent folder, Windows": (root_text(tileBundlesPath=json.dumps("..\\x")), "tileBundlesPath is invalid"),
    "drive": (root_text(tileBundlesPath=json.dumps("C:\\tile")), "tileBundlesPath is invalid"),
    "URL": (root_text(tileBundlesPath='"file:///etc"'), "tileBundlesPath is invalid"),
}


def check_message(error: GptoolError, where: object = WHERE) -> None:
    """Check that the message is one line of bounded length that starts with the file."""
    assert str(error).startswith(f"{where}: ")
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("name", INVALID)
def test_invalid_root_json_is_rejected_in_one_line(name: str) -> None:
    text, message = INVALID[name]
    with pytest.raises(ConfError, match=message) as caught:
        read(text)
    check_message(caught.value)


def value_paths(value: Any) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value in a document."""
    yield ()
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from ((key, *path) for path in value_paths(item))


ROOT = json.loads(root_text([0, 1], fullExtent='{"xmin":0,"ymin":0,"xmax":1e6,"ymax":1e6}'))
OTHER_VALUES = [
    None,
    True,
    "",
    "x",
    "1",
    [],
    {},
    [None],
    [[1]],
    {"a": {}},
    0,
    -1,
    0.5,
    10**39,
    1e308,
    1e-320,
    float("nan"),
]


@pytest.mark.parametrize("other", [*OTHER_VALUES, "x" * 10**5], ids=lambda other: repr(other)[:12])
def test_root_json_with_any_other_value_is_planned_or_rejected(tmp_path: Path, other: object) -> None:
    """Each value in turn is replaced by another one."""
    folder = tmp_path / "unpacked"
    make_cache(folder, ONE)
    (folder / "_alllayers").rename(folder / "tile")
    for path in value_paths(ROOT):
        root = deepcopy({"root": ROOT})
        *parents, last = "root", *path
        parent: Any = root
        for key in parents:
            parent = parent[key]
        parent[last] = other
        if path == ("tileBundlesPath",) and other == "x" * 10**5:
            continue  # too long for a file name
        (folder / "root.json").write_text(json.dumps(root["root"]))
        try:
            make_plan(folder, make_request(export_extent=(0, 0, 1, 1)))
        except GptoolError as error:
            assert str(folder) in str(error)
            assert "\n" not in str(error)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(
    at=st.integers(0, 1500), cut=st.integers(0, 40), junk=st.binary(max_size=8) | st.text('{}[]",:0eN').map(str.encode)
)
def test_mutated_root_json_is_read_or_rejected(at: int, cut: int, junk: bytes) -> None:
    data = root_text().encode()
    try:
        assert read(data[:at] + junk + data[at + cut :]).description.scheme.lods
    except CacheError as error:
        check_message(error)


# ---- packages ----


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("make", [make_tpkx, make_tpk])
def test_all_tiles_are_read(tmp_path: Path, make: Callable[..., Path], compression: int) -> None:
    """The package also has folder entries and a .DS_Store, and its entries are in any order."""
    with zipfile.ZipFile(make(tmp_path / "made", TILES)) as made, zipfile.ZipFile(tmp_path / "x.pack", "w") as package:
        for name in made.namelist() if compression else reversed(made.namelist()):
            package.writestr(name, made.read(name), compression)
    cache = open_cache(tmp_path / "x.pack")
    assert (cache.name, cache.location) == ("x", tmp_path / "x.pack")
    assert read_with_gptool(cache) == TILES
    result = export_tiles(cache, tmp_path / "y.tpkx")
    check_package(result.path, levels={0, 8})
    assert read_package(result.path) == TILES
    assert result.warnings == ()


@pytest.mark.parametrize("path", ["./tile", "tile", "tile/", ".//tile/.", ".\\tile", " ./tile ", None, ""])
def test_other_spellings_of_tile_bundles_path_are_read(tmp_path: Path, path: str | None) -> None:
    root = root_text(tileBundlesPath=json.dumps(path))
    assert open_cache(make_tpkx(tmp_path / "x.tpkx", ONE, root=root)).tiles_folder == "tile"


@pytest.mark.parametrize("path", ["./tiles", "Tile", "tile/L77", "\\etc", "root.json", "a\0b"])
def test_missing_tiles_folder_is_rejected(tmp_path: Path, path: str) -> None:
    package = make_tpkx(tmp_path / "x.tpkx", ONE, root=root_text(tileBundlesPath=json.dumps(path)))
    with pytest.raises(CacheNotFoundError, match="tileBundlesPath is not an existing folder; found ") as caught:
        open_cache(package)
    check_message(caught.value, package / "root.json")


@pytest.mark.parametrize("name", ["Layers", "TPK Root Name", "_v101", "a.b", "Karte Zürich"])
@pytest.mark.parametrize("conf_name", ["conf.xml", "Conf.xml", "CONF.XML"])
def test_other_names_in_a_tpk_are_found(tmp_path: Path, name: str, conf_name: str) -> None:
    cache = open_cache(make_tpk(tmp_path / "x.tpk", ONE, name=name, conf_name=conf_name))
    assert (cache.tiles_folder, cache.storage) == (f"v101/{name}/_alllayers", StorageFormat.COMPACT)
    assert read_with_gptool(cache) == ONE


def test_message_states_the_path_in_the_package(tmp_path: Path) -> None:
    package = make_tpk(tmp_path / "x.tpk", ONE, conf="<a/>")
    with pytest.raises(ConfError) as caught:
        open_cache(package)
    check_message(caught.value, package / "v101" / "TPK Root Name" / "Conf.XML")


def test_tpk_with_two_caches_is_rejected(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_tpk(tmp_path / "x.tpk", ONE), "a") as package:
        package.writestr("v101/Other/conf.xml", conf_text())
    with pytest.raises(CacheError, match=r"contains more than one conf\.xml; found v101/Other/conf\.xml, v101/TPK R"):
        open_cache(tmp_path / "x.tpk")


def test_extracted_tpkx_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_tpkx(tmp_path / "x.tpkx", TILES)) as package:
        package.extractall(tmp_path / "x")
    assert read_with_gptool(open_cache(tmp_path / "x")) == TILES


@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache, make_tpkx, make_tpk])
def test_all_kinds_of_caches_pickle_and_compare_equal(tmp_path: Path, make: Callable[..., Path]) -> None:
    cache, other = open_cache(make(tmp_path / "x", ONE)), open_cache(make(tmp_path / "y", ONE))
    assert pickle.loads(pickle.dumps(cache)) == cache == open_cache(tmp_path / "x")
    assert hash(pickle.loads(pickle.dumps(cache.files))) == hash(cache.files)
    assert cache != other
    assert read_with_gptool(pickle.loads(pickle.dumps(cache))) == ONE


def test_root_json_above_the_maximum_size_is_rejected(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.tpkx", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("root.json", b" " * 2**25)
    with pytest.raises(
        ConfError, match="file is too large; found 33554432 bytes, expected at most 16777216 bytes"
    ) as caught:
        open_cache(tmp_path / "x.tpkx")
    check_message(caught.value, tmp_path / "x.tpkx" / "root.json")


# ---- vector tiles ----

VECTOR_TILES = "vector tile packages are not supported, as they contain vector tiles and styles but no images"


@pytest.mark.parametrize("name", ["x.vtpk", "x.tpkx"])
@pytest.mark.parametrize("folder", ["p12", "P12"])
def test_vector_tile_package_is_rejected(tmp_path: Path, name: str, folder: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as package:
        package.writestr(f"{folder}/root.json", changed("tileInfo", format="pbf"))
        package.writestr(f"{folder}/tile/L00/R0000C0000.bundle", b"")
    with pytest.raises(CacheError, match=VECTOR_TILES) as caught:
        open_cache(tmp_path / name)
    check_message(caught.value, tmp_path / name)


@pytest.mark.parametrize("text", ["pbf", "PBF"])
def test_root_json_of_vector_tiles_is_rejected(tmp_path: Path, text: str) -> None:
    package = make_tpkx(tmp_path / "x.tpkx", ONE, root=changed("tileInfo", format=text))
    with pytest.raises(CacheError, match=VECTOR_TILES) as caught:
        open_cache(package)
    check_message(caught.value, package / "root.json")
