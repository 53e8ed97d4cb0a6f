"""Damaged and hostile packages: a verification never crashes, and never passes what other readers cannot read."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from gptool import verify
from gptool.errors import CacheError, CacheNotFoundError, ParameterError
from gptool.verification import Verification
from helpers.bundles import Address
from helpers.caches import jpeg_tile, make_cache
from helpers.esri_packages import ZipFields, member_of, tpk, tpkx
from helpers.tile_readers import read_package, read_tpk

TILES: dict[Address, bytes] = {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(2), (1, 1, 1): jpeg_tile(3)}
MUTATED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
PACKAGES = {".tpkx": tpkx, ".tpk": tpk}


def small(suffix: str) -> ZipFields:
    """Return a small package whose deepest level has tiles in two corners."""
    package = PACKAGES[suffix](TILES)
    if suffix == ".tpkx":
        root = json.loads(package.members["root.json"])
        package.members["root.json"] = json.dumps({**root, "maxLOD": 1}, separators=(",", ":")).encode()
    return package


@st.composite
def mutations(draw: st.DrawFn, data: bytes, hot: int = 300) -> bytes:
    """Return bytes with a few changes, mostly near their start or end."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        if not changed:
            break
        near = st.integers(0, min(hot, len(changed) - 1))
        far = st.integers(max(len(changed) - hot, 0), len(changed) - 1)
        at = draw(st.one_of(near, far, st.integers(0, len(changed) - 1)))
        match draw(st.sampled_from(["set", "flip", "cut", "insert", "delete"])):
            case "set":
                changed[at] = draw(st.integers(0, 255))
            case "flip":
                changed[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del changed[at:]
            case "insert":
                changed[at:at] = draw(st.binary(max_size=20))
            case "delete":
                del changed[at : at + draw(st.integers(1, 9))]
    return bytes(changed)


@pytest.mark.parametrize("suffix", PACKAGES)
@given(data=st.data())
@MUTATED
def test_mutated_file_never_crashes(suffix: str, tmp_path: Path, data: st.DataObject) -> None:
    path = small(suffix).write(tmp_path / f"World{suffix}")
    original = path.read_bytes()
    path.write_bytes(data.draw(mutations(original)))
    for tiles in ("all", "sample", "none"):
        result = verify(path, tiles=tiles)
        json.dumps(result.to_json())
        assert result.passed == (not result.findings)


@pytest.mark.parametrize("suffix", PACKAGES)
@given(data=st.data())
@MUTATED
def test_mutated_member_never_passes_if_others_cannot_read_it(suffix: str, tmp_path: Path, data: st.DataObject) -> None:
    """The checksum of the member is that of the changed bytes, so that only its content is judged."""
    package = small(suffix)
    names = [name for name in package.members if data.draw(st.booleans(), label=name)]
    for name in names[:2]:
        package.members[name] = data.draw(mutations(package.members[name]), label=f"bytes of {name}")
    path = package.write(tmp_path / f"World{suffix}")
    result = verify(path)
    if result.passed:
        check_readable(path, result)


def check_readable(path: Path, result: Verification) -> None:
    """Check that other readers find the tiles, and that Pillow and, in a .tpkx, GDAL decode all of them."""
    tiles = read_package(path) if path.suffix == ".tpkx" else read_tpk(path)
    assert len(tiles) == result.tiles == result.tiles_checked
    for tile in tiles.values():
        with Image.open(io.BytesIO(tile)) as image:
            image.load()
    if path.suffix == ".tpkx":
        with _gdal(path) as dataset:
            assert dataset.read().any()


@contextmanager
def _gdal(path: Path) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            yield dataset


def test_reader_of_the_tests_reads_the_package_itself(tmp_path: Path) -> None:
    for suffix in PACKAGES:
        path = small(suffix).write(tmp_path / f"World{suffix}")
        result = verify(path)
        assert result.findings == []
        check_readable(path, result)


@pytest.mark.parametrize("size", [0, 1, 100, 131_000])
def test_truncated_bundle_is_found_and_gdal_fails(size: int, tmp_path: Path) -> None:
    package = small(".tpkx")
    package.members[member_of(1)] = package.members[member_of(1)][:size]
    path = package.write(tmp_path / "World.tpkx")
    assert not verify(path).passed
    try:
        with _gdal(path) as dataset:
            assert not dataset.read().any()
    except RasterioError:
        pass


@pytest.mark.parametrize("nested", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b'"\xed\xa0\x80"', b"", b"null"])
def test_hostile_json_is_found(nested: bytes, tmp_path: Path) -> None:
    package = small(".tpkx")
    package.members["root.json"] = nested
    assert not verify(package.write(tmp_path / "World.tpkx")).passed


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "an object for each list": lambda root: root.update(layers={}, tileInfo={"lods": {}}),
    "lists for objects": lambda root: root.update(spatialReference=[], fullExtent=[], tileImageInfo=[]),
    "numbers without end": lambda root: root.update(minLOD=10**400, maxLOD=-(10**400)),
    "huge coordinates": lambda root: root["fullExtent"].update(xmax=1e300, xmin=-1e300),
    "tiny resolution": lambda root: root["tileInfo"]["lods"][0].update(resolution=1e-300),
    "texts": lambda root: root.update(dict.fromkeys(root, "x")),
    "nothing": lambda root: root.update(dict.fromkeys(root)),
    "members of any name": lambda root: root.update({"\x00": 1, "\ud800": 2}),
}


@pytest.mark.parametrize("edit", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_values_never_crash(edit: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    package = small(".tpkx")
    root = json.loads(package.members["root.json"])
    edit(root)
    package.members["root.json"] = json.dumps(root).encode()
    verify(package.write(tmp_path / "World.tpkx"))


def test_every_tile_may_share_its_bytes(tmp_path: Path) -> None:
    """16,384 entries of one tile: each is decoded, in bounded memory."""
    package = small(".tpkx")
    data = bytearray(package.members[member_of(1)])
    data[64 : 64 + 131072] = bytes(data[64:72]) * 16384
    package.members[member_of(1)] = bytes(data)
    result = verify(package.write(tmp_path / "World.tpkx"))
    assert result.tiles == 16384 + 1
    assert {finding.rule for finding in result.findings} == {"extent.tiles"}


def test_location_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CacheNotFoundError, match="cache not found"):
        verify(tmp_path / "nowhere.tpkx")
    with pytest.raises(CacheError):
        verify(make_cache(tmp_path / "cache", TILES), source=tmp_path / "nowhere")


def test_invalid_choices_are_errors(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", TILES)
    with pytest.raises(ParameterError, match="clients: invalid choice; found arcmap, expected fieldmaps, survey123"):
        verify(cache, clients=["gdal", "arcmap"])
    with pytest.raises(ParameterError, match="tiles: invalid choice; found few, expected all, sample, none"):
        verify(cache, tiles="few")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content", [{}, {"conf.xml": b"<"}, {"root.json": b"{}"}], ids=["empty", "conf.xml", "root.json"]
)
def test_folder_that_is_no_cache_is_found(content: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    assert not verify(tmp_path).passed


def test_deflated_package_is_read_and_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "World.tpkx", "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in small(".tpkx").members.items():
            package.writestr(name, data)
    result = verify(tmp_path / "World.tpkx")
    assert result.tiles_checked == len(TILES)
    rules = {finding.rule for finding in result.findings}
    assert {"container.stored", "container.version-needed", "container.attributes"} <= rules
    assert not any(rule.startswith(("tiles.", "bundles.", "metadata.")) for rule in rules)
