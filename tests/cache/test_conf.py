"""conf.xml and conf.cdi: every release's spelling, and hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import export_tiles, open_cache
from gptool.cache import conf
from gptool.cache.scheme import Conf
from gptool.errors import ConfError
from gptool.model import Extent, StorageFormat
from helpers.caches import CDI, conf_text, make_cache, square
from helpers.checks import read_json


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
    "512 pixels": (conf_text(tile=512), lambda conf: conf.scheme.tile_rows == conf.scheme.tile_columns == 512),
    "another origin": (
        conf_text(x="-400", y="400", reference="<WKID>4326</WKID>"),
        lambda conf: (conf.scheme.origin_x.text, conf.scheme.origin_y.text) == ("-400", "400"),
    ),
    "only WKID": (
        conf_text(reference="<WKID>102100</WKID>"),
        lambda conf: (conf.scheme.reference.wkid, conf.scheme.reference.latest_wkid) == (102100, None),
    ),
    "ids of 0 and -1, which stand for none": (
        conf_text(reference="<WKT>LOCAL</WKT><WKID>0</WKID><LatestWKID>-1</LatestWKID>"),
        lambda conf: (conf.scheme.reference.wkid, conf.scheme.reference.latest_wkid) == (None, None),
    ),
    "levels that start above 0 and skip": (
        conf_text(levels=[5, 7, 23]),
        lambda conf: [lod.level for lod in conf.scheme.lods] == [5, 7, 23],
    ),
    "V1": (conf_text(storage="esriMapCacheStorageModeCompact"), lambda conf: conf.storage is StorageFormat.COMPACT),
    "exponents": (conf_text(x="-4.0E2"), lambda conf: conf.scheme.origin_x.value == -400),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_reads_variants(tmp_path: Path, name: str) -> None:
    text, holds = VARIANTS[name]
    assert holds(read_conf(write(tmp_path, text)))


@pytest.mark.parametrize("release", ["9.2", "9.3", "10.0", "10.1", "10.3", "10.5", "2.6.0", "3.4.0"])
def test_reads_every_release(tmp_path: Path, release: str) -> None:
    """Each has a namespace of its own."""
    text = conf_text().replace("ArcGIS/10.3", f"ArcGIS/{release}")
    assert read_conf(write(tmp_path, text)).scheme == read_conf(write(tmp_path, conf_text())).scheme


@pytest.mark.parametrize("declared", ["JPEG", "PNG", "PNG8", "PNG24", "PNG32", "MIXED", "LERC", "LERC2D", "Mixed"])
def test_reads_every_image_format(tmp_path: Path, declared: str) -> None:
    assert read_conf(write(tmp_path, conf_text(format=declared))).image.format == declared.upper()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
@pytest.mark.parametrize("stated", [True, False], ids=["stated", "not stated"])
def test_reads_other_encodings(tmp_path: Path, encoding: str, stated: bool) -> None:
    name = encoding.removesuffix("-sig")
    text = conf_text(reference="<WKT>Z\u00fcrich</WKT>")
    text = text.replace('"utf-8"', f'"{name}"') if stated or name == "iso-8859-1" else text.partition("?>")[2].strip()
    if encoding.endswith(("le", "be")):
        text = "\ufeff" + text
    (tmp_path / "conf.xml").write_bytes(text.encode(encoding))
    assert read_conf(tmp_path / "conf.xml").scheme.reference.wkt == "Z\u00fcrich"


ZONE = (
    'PROJCS["WGS_1984_UTM_Zone_32N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,'
    '298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",9.0],'
    'PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
REFERENCES: dict[str, tuple[str, int | None]] = {
    "only WKID": ("<WKID>102100</WKID>", 102100),
    "only LatestWKID": ("<LatestWKID>3857</LatestWKID>", 3857),
    "a WKT that PROJ knows": (f"<WKT>{ZONE}</WKT>", 32632),
    "a WKT that nobody knows": ("<WKT>GRID[1]</WKT>", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("output", ["x.tpkx", "x.tpk", "x"])
@pytest.mark.parametrize("name", REFERENCES)
def test_only_a_tpkx_needs_the_references_id(tmp_path: Path, name: str, output: str) -> None:
    reference, wkid = REFERENCES[name]
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=reference))
    try:
        result = export_tiles(cache, tmp_path / output)
    except ConfError as error:
        assert (output, wkid) == ("x.tpkx", None)
        assert "spatial reference has no well-known id, which a .tpkx requires" in str(error)
        assert str(error).startswith(f"{cache}: ")
        return
    if output == "x.tpkx":
        assert read_json(result.path, "root.json")["spatialReference"]["wkid"] == wkid
    else:
        assert open_cache(result.path).scheme.reference == open_cache(cache).scheme.reference


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    "empty": ("", "not well-formed"),
    "no XML": ("PK\3\4", "not well-formed"),
    "cut": (conf_text()[:400], "not well-formed"),
    "another document": ("<Envelope/>", "<Envelope> <TileCacheInfo>; found none, expected a cache's conf.xml"),
    "entity bomb": (conf_text().replace("<CacheInfo", BOMB + "<CacheInfo").replace("?>", "?>", 1), "document type"),
    "external entity": (
        conf_text().replace("<CacheInfo", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><CacheInfo'),
        "document type",
    ),
    "no levels": (conf_text(levels=[]), "<LODInfos> <LODInfo>; found none"),
    "a level twice": (conf_text(levels=[1, 1]), "LevelID.* expected each level once"),
    "a level of 20 digits": (
        conf_text().replace("<LevelID>3<", "<LevelID>" + "9" * 20 + "<"),
        "whole number from 0 to 99",
    ),
    "a level below 0": (conf_text().replace("<LevelID>3<", "<LevelID>-3<"), "whole number from 0 to 99"),
    "a resolution of 0": (conf_text().replace("<Resolution>", "<Resolution>0</Resolution><Resolution>"), "above 0"),
    "a resolution that is none": (conf_text().replace("<Resolution>", "<Resolution>x"), "<Resolution>; found x"),
    "an endless scale": (conf_text().replace("<Scale>", "<Scale>1e999</Scale><Scale>"), "<LODInfo> <Scale>"),
    "a resolution too small for arithmetic": (
        conf_text().replace("<Resolution>", "<Resolution>1e-320</Resolution><Resolution>"),
        "that a map can have",
    ),
    "a resolution too large": (
        conf_text().replace("<Resolution>", "<Resolution>1e308</Resolution><Resolution>"),
        "that a map can have",
    ),
    "an origin out of this world": (conf_text(x="-1e300"), "<TileOrigin> <X>; found -1e300"),
    "tiles of 0 pixels": (conf_text(tile=0), "<TileCacheInfo> <TileRows>; found 0"),
    "tiles of 10^9 pixels": (conf_text(tile=10**9), "whole number from 1 to 8192"),
    "no origin": (conf_text().replace("TileOrigin", "Origin"), "TileOrigin"),
    "no format": (conf_text(format=""), "CacheTileFormat.* expected JPEG"),
    "a quality of 101": (conf_text(quality=101), "CompressionQuality>; found 101"),
    "an unknown storage": (conf_text(storage="zarr"), "StorageFormat>; found zarr"),
    "a packet of 64": (conf_text().replace("PacketSize>128", "PacketSize>64"), "PacketSize>; found 64"),
    "a resolution of a million digits": (
        conf_text().replace("<Resolution>", f"<Resolution>{'9' * 10**6}</Resolution><Resolution>", 1),
        "<LODInfo> <Resolution>; found 999",
    ),
    "a level of a million digits": (conf_text().replace("<LevelID>3<", f"<LevelID>{'1' * 10**6}<"), "from 0 to 99"),
    "a level of other digits": (conf_text().replace("<LevelID>3<", "<LevelID>\N{ARABIC-INDIC DIGIT ONE}<"), "LevelID"),
    "levels that hold no values": (conf_text().replace("LevelID>", "Level>"), "<LODInfo> <LevelID>; found none"),
    "a reference's id of 20 digits": (conf_text(reference="<WKID>" + "9" * 20 + "</WKID>"), "<WKID>; found 9999"),
    "a text of 20 MB": (conf_text(reference="<WKT>" + "x" * 20_000_000 + "</WKT>"), "not well-formed"),
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


@pytest.mark.parametrize(
    "data",
    [
        conf_text(reference="<WKT>Z\u00fcrich</WKT>").encode("iso-8859-1"),  # and it says UTF-8
        conf_text().encode("utf-16")[:-1],
        conf_text().replace("utf-8", "no-such").encode(),
        conf_text().replace("<DPI>", "<DPI>\0").encode(),
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        bytes(1000),
    ],
    ids=["not UTF-8", "half of UTF-16", "an encoding nobody knows", "a byte of 0", "marks", "a mark", "zeros"],
)
def test_refuses_broken_encodings(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "conf.xml").write_bytes(data)
    with pytest.raises(ConfError, match="not well-formed XML") as caught:
        read_conf(tmp_path / "conf.xml")
    assert str(caught.value).startswith(f"{tmp_path / 'conf.xml'}: ")
    assert "\n" not in str(caught.value)


def test_external_entities_are_not_looked_at(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    head = f'<!DOCTYPE CacheInfo [<!ENTITY e SYSTEM "{secret.as_uri()}">]><CacheInfo'
    path = write(tmp_path, conf_text(format="&e;").replace("<CacheInfo", head, 1))
    with pytest.raises(ConfError, match="a document type declaration is not accepted") as caught:
        read_conf(path)
    assert "a secret" not in str(caught.value)


mutated = settings(derandomize=True, database=None, deadline=None)


@mutated
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


@pytest.mark.parametrize("text", ["", "{}", BOMB + "<EnvelopeN/>", "<EnvelopeN>" * 10**5, CDI.format(1, 2, 3, 4)[:-9]])
def test_refuses_a_hostile_cdi(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text, "conf.cdi")
    with pytest.raises(ConfError, match=r"not well-formed|document type") as caught:
        read_cdi(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@mutated
@given(
    at=st.integers(0, 260), cut=st.integers(0, 20), junk=st.binary(max_size=8) | st.sampled_from([b"<", b"NaN", b"-"])
)
def test_a_mutated_cdi_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, junk: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.cdi"
    data = CDI.format(0, 0, 100, 100).encode()
    path.write_bytes(data[:at] + junk + data[at + cut :])
    try:
        extent = read_cdi(path)
        assert extent is None or (extent.xmin < extent.xmax and extent.ymin < extent.ymax)
    except ConfError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
