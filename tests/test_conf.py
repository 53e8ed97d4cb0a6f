"""conf.xml and conf.cdi: every release's spelling, and hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest
from caches import CDI, conf_text
from hypothesis import given
from hypothesis import strategies as st

from gptool.cache import conf
from gptool.cache.scheme import Conf
from gptool.errors import ConfError
from gptool.model import Extent, StorageFormat


def read_conf(path: Path) -> Conf:
    return conf.read_conf(path.read_bytes(), path)


def read_cdi(path: Path) -> Extent | None:
    return conf.read_cdi(path.read_bytes(), path, conf.read_conf(conf_text().encode(), path).scheme)


def write(folder: Path, text: str, name: str = "conf.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_it_states(tmp_path: Path) -> None:
    found = read_conf(write(tmp_path, conf_text(levels=[5, 2, 9])))
    assert [lod.level for lod in found.scheme.lods] == [2, 5, 9]
    assert found.scheme.lods[0].resolution.text == "156543.03392800014"
    assert (found.scheme.reference.wkid, found.scheme.reference.latest_wkid) == (102100, 3857)
    assert (found.image.format, found.image.compression_quality, found.image.band_count) == ("JPEG", 85, 3)
    assert found.storage is StorageFormat.COMPACT_V2


VARIANTS = {
    "a default namespace of Pro": (
        conf_text().replace("<CacheInfo ", '<CacheInfo xmlns="http://www.esri.com/schemas/ArcGIS/3.4.0" '),
        lambda conf: conf.scheme.tile_rows == 64,
    ),
    "prefixed elements": (
        conf_text().replace("<DPI>", "<typens:DPI>").replace("</DPI>", "</typens:DPI>"),
        lambda conf: conf.scheme.dpi.text == "96",
    ),
    "jpg of 9.3": (conf_text(format="jpg"), lambda conf: conf.image.format == "JPEG"),
    "only LatestWKID": (
        conf_text(reference="<LatestWKID>3857</LatestWKID>"),
        lambda conf: conf.scheme.reference.latest_wkid == 3857 and conf.scheme.reference.wkid is None,
    ),
    "only WKT": (
        conf_text(reference="<WKT>LOCAL</WKT>"),
        lambda conf: conf.scheme.reference.wkt == "LOCAL" and conf.scheme.reference.wkid is None,
    ),
    "no CacheStorageInfo, as in 9.x": (
        conf_text().replace("CacheStorageInfo", "Other"),
        lambda conf: conf.storage is StorageFormat.EXPLODED,
    ),
    "blanks and comments": (
        conf_text().replace("<DPI>96", "<!-- dots --><DPI>\n 96 "),
        lambda conf: conf.scheme.dpi.text == "96",
    ),
    "exponents": (conf_text(x="-4.0E2"), lambda conf: conf.scheme.origin_x.value == -400),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_reads_variants(tmp_path: Path, name: str) -> None:
    text, holds = VARIANTS[name]
    assert holds(read_conf(write(tmp_path, text)))


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    "empty": ("", "not well-formed"),
    "no XML": ("PK\3\4", "not well-formed"),
    "cut": (conf_text()[:400], "not well-formed"),
    "another document": ("<Envelope/>", "<Envelope> <TileCacheInfo>, found none, expected a cache's conf.xml"),
    "entity bomb": (conf_text().replace("<CacheInfo", BOMB + "<CacheInfo").replace("?>", "?>", 1), "document type"),
    "external entity": (
        conf_text().replace("<CacheInfo", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><CacheInfo'),
        "document type",
    ),
    "no levels": (conf_text(levels=[]), "<LODInfos> <LODInfo>, found none"),
    "a level twice": (conf_text(levels=[1, 1]), "LevelID.* expected each level once"),
    "a level of 20 digits": (
        conf_text().replace("<LevelID>3<", "<LevelID>" + "9" * 20 + "<"),
        "whole number from 0 to 99",
    ),
    "a level below 0": (conf_text().replace("<LevelID>3<", "<LevelID>-3<"), "whole number from 0 to 99"),
    "a resolution of 0": (conf_text().replace("<Resolution>", "<Resolution>0</Resolution><Resolution>"), "above 0"),
    "a resolution that is none": (conf_text().replace("<Resolution>", "<Resolution>x"), "<Resolution>, found x"),
    "an endless scale": (conf_text().replace("<Scale>", "<Scale>1e999</Scale><Scale>"), "<LODInfo> <Scale>"),
    "a resolution too small for arithmetic": (
        conf_text().replace("<Resolution>", "<Resolution>1e-320</Resolution><Resolution>"),
        "that a map can have",
    ),
    "a resolution too large": (
        conf_text().replace("<Resolution>", "<Resolution>1e308</Resolution><Resolution>"),
        "that a map can have",
    ),
    "an origin out of this world": (conf_text(x="-1e300"), "<TileOrigin> <X>, found -1e300"),
    "tiles of 0 pixels": (conf_text(tile=0), "<TileCacheInfo> <TileRows>, found 0"),
    "tiles of 10^9 pixels": (conf_text(tile=10**9), "whole number from 1 to 8192"),
    "no origin": (conf_text().replace("TileOrigin", "Origin"), "TileOrigin"),
    "no format": (conf_text(format=""), "CacheTileFormat.* expected JPEG"),
    "a quality of 101": (conf_text(quality=101), "CompressionQuality>, found 101"),
    "an unknown storage": (conf_text(storage="zarr"), "StorageFormat>, found zarr"),
    "a packet of 64": (conf_text().replace("PacketSize>128", "PacketSize>64"), "PacketSize>, found 64"),
    "a billion laughs of depth": ("<a>" * 100_000, "not well-formed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_in_one_line(tmp_path: Path, name: str) -> None:
    text, message = HOSTILE[name]
    path = write(tmp_path, text)
    with pytest.raises(ConfError, match=message) as caught:
        read_conf(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@given(cut=st.integers(0, 2500), junk=st.binary(max_size=8))
def test_mutated_files_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.xml"
    data = conf_text().encode()
    path.write_bytes(data[:cut] + junk + data[cut + len(junk) :])
    try:
        assert read_conf(path).scheme.lods
    except ConfError as error:
        assert "\n" not in str(error)


def test_the_full_extent(tmp_path: Path) -> None:
    assert read_cdi(write(tmp_path, CDI.format(-180, "-9.0E1", 180.5, 90), "conf.cdi")) == (-180, -90, 180.5, 90)


@pytest.mark.parametrize("numbers", [(0, 0, 0, 1), (0, 1, 1, 0), ("NaN", "NaN", "NaN", "NaN"), (1, 1, 0, 0)])
def test_an_empty_extent_is_none(tmp_path: Path, numbers: tuple[object, ...]) -> None:
    """Esri writes an empty envelope as four NaN; the full extent is then that of the tiles."""
    assert read_cdi(write(tmp_path, CDI.format(*numbers), "conf.cdi")) is None


@pytest.mark.parametrize("numbers", [("x", 0, 1, 1), ("", 0, 1, 1), ("inf", 0, 1, 1), ("-1e300", 0, 1, 1)])
def test_an_extent_without_numbers(tmp_path: Path, numbers: tuple[object, ...]) -> None:
    with pytest.raises(ConfError, match="XMin"):
        read_cdi(write(tmp_path, CDI.format(*numbers), "conf.cdi"))
