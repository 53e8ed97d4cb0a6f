"""root.json, and packages as one finds them: other orders, compression, litter, hostile paths, vector tiles."""

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
from gptool.cache.root import Root, read_root
from gptool.errors import CacheError, CacheNotFoundError, ConfError, GptoolError
from gptool.model import SpatialReference, StorageFormat
from gptool.plan.plan import make_plan
from helpers.caches import (
    conf_text,
    make_cache,
    make_exploded_cache,
    make_tpk,
    make_tpkx,
    make_v1_cache,
    root_text,
    square,
)
from helpers.checks import asked, check_package, read_package
from helpers.readers import read_all

TILES = square(0, range(1), range(1)) | square(8, range(126, 130), range(126, 130))
ONE = square(0, range(1), range(1))
WHERE = Path("/somewhere/x.tpkx/root.json")


def read(text: str | bytes) -> Root:
    return read_root(text if isinstance(text, bytes) else text.encode(), WHERE)


def changed(part: str, **fields: object) -> str:
    """root.json with other fields in one of its objects; None removes one."""
    root = json.loads(root_text())
    root[part] = {name: value for name, value in (root[part] | fields).items() if value is not None}
    return json.dumps(root)


def test_reads_what_it_states() -> None:
    found = read(root_text([5, 2, 9], fullExtent='{"xmin":-1,"ymin":-2.5,"xmax":3e2,"ymax":4}')).conf
    assert [lod.level for lod in found.scheme.lods] == [2, 5, 9]
    assert found.scheme.lods[0].resolution.text == "156543.03392800014"  # its digits, not those of a float
    assert (found.scheme.origin_x.text, found.scheme.tile_rows) == ("-20037508.342787001", 64)
    assert (found.scheme.reference.wkid, found.scheme.reference.latest_wkid) == (102100, 3857)
    assert (found.image.format, found.image.compression_quality, found.image.band_count) == ("JPEG", 85, 3)
    assert (found.storage, found.document) == (StorageFormat.COMPACT_V2, None)


VARIANTS: dict[str, tuple[str | bytes, Callable[[Root], bool]]] = {
    "a byte order mark": (root_text().encode("utf-8-sig"), lambda root: len(root.conf.scheme.lods) == 9),
    "UTF-16": (root_text().encode("utf-16"), lambda root: len(root.conf.scheme.lods) == 9),
    "duplicated keys": (
        root_text().replace('"version"', '"tileInfo":3,"version"', 1),
        lambda root: root.conf.scheme.tile_rows == 64,  # the last one counts, as everywhere
    ),
    "512 pixels": (root_text(tile=512), lambda root: root.conf.scheme.tile_columns == 512),
    "only latestWkid": (
        root_text(spatialReference={"latestWkid": 3857}),
        lambda root: root.conf.scheme.reference == SpatialReference(None, 3857, None),
    ),
    "only wkt": (root_text(spatialReference={"wkt": "X"}), lambda root: root.conf.scheme.reference.wkt == "X"),
    "a reference of tileInfo": (
        root_text(spatialReference=None),
        lambda root: root.conf.scheme.reference.wkid == 102100,
    ),
    "no dpi": (changed("tileInfo", dpi=None), lambda root: root.conf.scheme.dpi.text == "96"),
    "no storageInfo": (root_text(storageInfo=None), lambda root: root.conf.storage is StorageFormat.COMPACT_V2),
    "no extent": (root_text(), lambda root: root.full_extent is None),
    "an extent": (
        root_text(fullExtent='{"xmin":-1,"ymin":-2.5,"xmax":3e2,"ymax":4}'),
        lambda root: root.full_extent == (-1, -2.5, 300, 4),
    ),
    "an extent of NaN": (
        root_text(fullExtent='{"xmin":NaN,"ymin":NaN,"xmax":NaN,"ymax":NaN}'),
        lambda root: root.full_extent is None,
    ),
    "LERC": (
        root_text(tileImageInfo={"format": "LERC2D", "lercError": 0.5}),
        lambda root: (root.conf.image.format, str(root.conf.image.lerc_error)) == ("LERC2D", "0.5"),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_reads_variants(name: str) -> None:
    text, holds = VARIANTS[name]
    assert holds(read(text))


DEEP = 100_000
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "not JSON"),
    "cut": (root_text()[:400], "not JSON"),
    "not UTF-8": (root_text().encode().replace(b"world", b"w\xffrld"), "not JSON"),
    "no object": ("[]", "not a JSON object; found list"),
    "null": ("null", "not a JSON object"),
    "another document": ("{}", "tileInfo; found none, expected a tile package's tiling scheme"),
    "arrays without end": ("[" * DEEP, "not JSON"),
    "objects without end": ('{"a":' * DEEP, "not JSON"),
    "deep in a field nobody needs": (root_text(name="[" * DEEP + "]" * DEEP), "not JSON"),
    "a million digits": (root_text().replace('"x":-', '"x":' + "9" * 10**6), r"tileInfo\.origin\.x; found 999"),
    "a million decimals": (root_text().replace('"x":-', '"x":0.' + "9" * 10**6 + ',"z":'), r"\.x; found 0\.999"),
    "no levels": (root_text([]), "tileInfo.lods; found none, expected at least one level"),
    "levels that are none": (changed("tileInfo", lods=[1]), "tileInfo.lods.*expected an array of objects"),
    "a level twice": (root_text([1, 1]), r"tileInfo\.lods\[0\]\.level; found .*1.*1.*, expected each level once"),
    "a level of 20 digits": (
        root_text().replace('"level":3', f'"level":{"9" * 20}'),
        r"tileInfo\.lods\[3\]\.level; found 99999999999999999999, expected a whole number from 0 to 99",
    ),
    "a level of 3.5": (root_text().replace('"level":3', '"level":3.5'), r"lods\[3\]\.level; found 3\.5"),
    "a resolution of 0": (re.sub('"resolution":[^,]*', '"resolution":0', root_text()), "found 0, expected a number ab"),
    "a resolution of NaN": (re.sub('"resolution":[^,]*', '"resolution":NaN', root_text()), "resolution; found NaN"),
    "an endless scale": (re.sub('"scale":[^}]*', '"scale":1e999', root_text()), "scale; found 1e999"),
    "an endless origin": (root_text().replace('"x":-', '"x":-Infinity,"z":-'), r"tileInfo\.origin\.x; found -Infinity"),
    "an origin out of this world": (root_text().replace('"x":-', '"x":1e300,"z":-'), "found 1e300.*that a map can h"),
    "tiles of 0 pixels": (changed("tileInfo", rows=0), r"tileInfo\.rows; found 0, expected a whole number from 1"),
    "tiles of 10^40 pixels": (changed("tileInfo", cols=10**39), r"tileInfo\.cols; found 1000000000"),
    "no origin": (changed("tileInfo", origin=None), r"tileInfo\.origin; found none"),
    "no format": (changed("tileImageInfo", format=None), r"tileImageInfo\.format; found none, expected JPEG"),
    "a quality of 101": (changed("tileImageInfo", compressionQuality=101), "compressionQuality; found 101"),
    "an unknown storage": (changed("storageInfo", storageFormat="zarr"), "storageFormat; found zarr"),
    "a packet of 64": (changed("storageInfo", packetSize=64), "packetSize; found 64"),
    "an endless extent": (root_text(fullExtent='{"xmin":-Infinity}'), r"fullExtent\.xmin; found -Infinity"),
    "an absolute path": (
        root_text(tileBundlesPath=json.dumps("/etc")),
        "Path; found /etc, expected a folder",
    ),
    "a path upwards": (root_text(tileBundlesPath='"tile/../../x"'), "tileBundlesPath; found tile/../../x"),
    "a path upwards, Windows": (root_text(tileBundlesPath=json.dumps("..\\x")), "tileBundlesPath"),
    "a drive": (root_text(tileBundlesPath=json.dumps("C:\\tile")), "tileBundlesPath"),
    "an address": (root_text(tileBundlesPath='"file:///etc"'), "tileBundlesPath"),
}


def check_refusal(error: GptoolError, where: object = WHERE) -> None:
    """One line of bounded length that names the file."""
    assert str(error).startswith(f"{where}: ")
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_in_one_line(name: str) -> None:
    text, message = HOSTILE[name]
    with pytest.raises(ConfError, match=message) as caught:
        read(text)
    check_refusal(caught.value)


def places(value: Any) -> Iterator[tuple[str | int, ...]]:
    """The path of each value in a document."""
    yield ()
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from ((key, *place) for place in places(item))


ROOT = json.loads(root_text([0, 1], fullExtent='{"xmin":0,"ymin":0,"xmax":1e6,"ymax":1e6}'))
OTHERS = [None, True, "", "x", "1", [], {}, [None], [[1]], {"a": {}}, 0, -1, 0.5, 10**39, 1e308, 1e-320, float("nan")]


@pytest.mark.parametrize("other", [*OTHERS, "x" * 10**5], ids=lambda other: repr(other)[:12])
def test_any_value_may_be_another(tmp_path: Path, other: object) -> None:
    """Each in turn. What is read can be planned, too."""
    folder = tmp_path / "unpacked"
    make_cache(folder, ONE)
    (folder / "_alllayers").rename(folder / "tile")
    for place in places(ROOT):
        root = deepcopy({"root": ROOT})
        *way, last = "root", *place
        parent: Any = root
        for key in way:
            parent = parent[key]
        parent[last] = other
        if place == ("tileBundlesPath",) and other == "x" * 10**5:
            continue  # a name that is too long for the disk
        (folder / "root.json").write_text(json.dumps(root["root"]))
        try:
            make_plan(folder, asked(export_extent=(0, 0, 1, 1)))
        except GptoolError as error:
            assert str(folder) in str(error)
            assert "\n" not in str(error)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(
    at=st.integers(0, 1500), cut=st.integers(0, 40), junk=st.binary(max_size=8) | st.text('{}[]",:0eN').map(str.encode)
)
def test_mutated_bytes_are_read_or_refused(at: int, cut: int, junk: bytes) -> None:
    data = root_text().encode()
    try:
        assert read(data[:at] + junk + data[at + cut :]).conf.scheme.lods
    except CacheError as error:
        check_refusal(error)


# ---- packages ----


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("make", [make_tpkx, make_tpk])
def test_reads_every_tile(tmp_path: Path, make: Callable[..., Path], compression: int) -> None:
    """Among directory entries and .DS_Store, in any order."""
    with zipfile.ZipFile(make(tmp_path / "made", TILES)) as made, zipfile.ZipFile(tmp_path / "x.pack", "w") as package:
        for name in made.namelist() if compression else reversed(made.namelist()):
            package.writestr(name, made.read(name), compression)
    cache = open_cache(tmp_path / "x.pack")
    assert (cache.name, cache.location) == ("x", tmp_path / "x.pack")
    assert read_all(cache) == TILES
    result = export_tiles(cache, tmp_path / "y.tpkx")
    check_package(result.path, levels={0, 8})
    assert read_package(result.path) == TILES
    assert result.warnings == ()


@pytest.mark.parametrize("path", ["./tile", "tile", "tile/", ".//tile/.", ".\\tile", " ./tile ", None, ""])
def test_other_spellings_of_the_path(tmp_path: Path, path: str | None) -> None:
    root = root_text(tileBundlesPath=json.dumps(path))
    assert open_cache(make_tpkx(tmp_path / "x.tpkx", ONE, root=root)).tiles == "tile"


@pytest.mark.parametrize("path", ["./tiles", "Tile", "tile/L77", "\\etc", "root.json", "a\0b"])
def test_a_path_to_nothing(tmp_path: Path, path: str) -> None:
    package = make_tpkx(tmp_path / "x.tpkx", ONE, root=root_text(tileBundlesPath=json.dumps(path)))
    with pytest.raises(CacheNotFoundError, match=r"no folder of tiles where root\.json says") as caught:
        open_cache(package)
    check_refusal(caught.value, package)


@pytest.mark.parametrize("name", ["Layers", "TPK Root Name", "_v101", "a.b", "Karte Zürich"])
@pytest.mark.parametrize("conf_name", ["conf.xml", "Conf.xml", "CONF.XML"])
def test_names_in_a_tpk(tmp_path: Path, name: str, conf_name: str) -> None:
    cache = open_cache(make_tpk(tmp_path / "x.tpk", ONE, name=name, conf_name=conf_name))
    assert (cache.tiles, cache.storage) == (f"v101/{name}/_alllayers", StorageFormat.COMPACT)
    assert read_all(cache) == ONE


def test_errors_name_the_member(tmp_path: Path) -> None:
    package = make_tpk(tmp_path / "x.tpk", ONE, conf="<a/>")
    with pytest.raises(ConfError) as caught:
        open_cache(package)
    check_refusal(caught.value, package / "v101" / "TPK Root Name" / "Conf.XML")


def test_two_caches_in_a_tpk(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_tpk(tmp_path / "x.tpk", ONE), "a") as package:
        package.writestr("v101/Other/conf.xml", conf_text())
    with pytest.raises(CacheError, match=r"several conf\.xml; found v101/Other/conf\.xml, v101/TPK R"):
        open_cache(tmp_path / "x.tpk")


def test_an_unpacked_tpkx(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_tpkx(tmp_path / "x.tpkx", TILES)) as package:
        package.extractall(tmp_path / "x")
    assert read_all(open_cache(tmp_path / "x")) == TILES


@pytest.mark.parametrize("make", [make_cache, make_v1_cache, make_exploded_cache, make_tpkx, make_tpk])
def test_every_cache_pickles_and_equals_itself(tmp_path: Path, make: Callable[..., Path]) -> None:
    cache, other = open_cache(make(tmp_path / "x", ONE)), open_cache(make(tmp_path / "y", ONE))
    assert pickle.loads(pickle.dumps(cache)) == cache == open_cache(tmp_path / "x")
    assert hash(pickle.loads(pickle.dumps(cache.files))) == hash(cache.files)
    assert cache != other
    assert read_all(pickle.loads(pickle.dumps(cache))) == ONE


def test_a_root_that_is_too_large(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.tpkx", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("root.json", b" " * 2**25)
    with pytest.raises(ConfError, match="too large; found 33554432 bytes") as caught:
        open_cache(tmp_path / "x.tpkx")
    check_refusal(caught.value, tmp_path / "x.tpkx" / "root.json")


# ---- vector tiles ----

VECTOR = "a vector tile package: it holds vector tiles and styles, not images"


@pytest.mark.parametrize("name", ["x.vtpk", "x.tpkx"])
@pytest.mark.parametrize("folder", ["p12", "P12"])
def test_vector_tile_packages_are_refused(tmp_path: Path, name: str, folder: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as package:
        package.writestr(f"{folder}/root.json", changed("tileInfo", format="pbf"))
        package.writestr(f"{folder}/tile/L00/R0000C0000.bundle", b"")
    with pytest.raises(CacheError, match=VECTOR) as caught:
        open_cache(tmp_path / name)
    check_refusal(caught.value, tmp_path / name)


@pytest.mark.parametrize("text", ["pbf", "PBF"])
def test_a_root_of_vector_tiles_is_refused(tmp_path: Path, text: str) -> None:
    package = make_tpkx(tmp_path / "x.tpkx", ONE, root=changed("tileInfo", format=text))
    with pytest.raises(CacheError, match=VECTOR) as caught:
        open_cache(package)
    check_refusal(caught.value, package / "root.json")
