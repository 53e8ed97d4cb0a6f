"""Tests of conf.xml and conf.cdi: the variants of all releases, and hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool import export_tiles, open_cache
from gptool.cache import conf_xml
from gptool.cache.description import CacheDescription
from gptool.errors import ConfError
from gptool.model import Extent, StorageFormat
from helpers.caches import CDI, conf_text, make_cache, square
from helpers.tile_readers import read_json


def read_conf(path: Path) -> CacheDescription:
    return conf_xml.read_conf_xml(path.read_bytes(), path)


def read_cdi(path: Path) -> Extent | None:
    scheme = conf_xml.read_conf_xml(conf_text().encode(), path).scheme
    return conf_xml.read_conf_cdi(path.read_bytes(), path, scheme)[0]


def write(folder: Path, text: str, name: str = "conf.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_stated_values_are_read(tmp_path: Path) -> None:
    found = read_conf(write(tmp_path, conf_text(levels=[5, 2, 9])))
    assert [lod.level for lod in found.scheme.lods] == [2, 5, 9]
    assert found.scheme.lods[0].resolution.text == "156543.03392800014"
    assert (found.scheme.reference.wkid, found.scheme.reference.latest_wkid) == (102100, 3857)
    assert (found.image.format, found.image.compression_quality, found.image.band_count) == ("JPEG", 85, 3)
    assert found.storage is StorageFormat.COMPACT_V2


VARIANTS = {
    "default namespace of Pro": (
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
    "white space and comments": (
        conf_text().replace("<DPI>96", "<!-- dots --><DPI>\n 96 "),
        lambda conf: conf.scheme.dpi.text == "96",
    ),
    "512 pixels": (conf_text(tile=512), lambda conf: conf.scheme.tile_rows == conf.scheme.tile_columns == 512),
    "other origin": (
        conf_text(x="-400", y="400", reference="<WKID>4326</WKID>"),
        lambda conf: (conf.scheme.origin_x.text, conf.scheme.origin_y.text) == ("-400", "400"),
    ),
    "only WKID": (
        conf_text(reference="<WKID>102100</WKID>"),
        lambda conf: (conf.scheme.reference.wkid, conf.scheme.reference.latest_wkid) == (102100, None),
    ),
    "ids of 0 and -1, which mean none": (
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
def test_variants_are_read(tmp_path: Path, name: str) -> None:
    text, holds = VARIANTS[name]
    assert holds(read_conf(write(tmp_path, text)))


@pytest.mark.parametrize("release", ["9.2", "9.3", "10.0", "10.1", "10.3", "10.5", "2.6.0", "3.4.0"])
def test_namespaces_of_all_releases_are_read(tmp_path: Path, release: str) -> None:
    text = conf_text().replace("ArcGIS/10.3", f"ArcGIS/{release}")
    assert read_conf(write(tmp_path, text)).scheme == read_conf(write(tmp_path, conf_text())).scheme


@pytest.mark.parametrize("declared", ["JPEG", "PNG", "PNG8", "PNG24", "PNG32", "MIXED", "LERC", "LERC2D", "Mixed"])
def test_all_image_formats_are_read(tmp_path: Path, declared: str) -> None:
    assert read_conf(write(tmp_path, conf_text(format=declared))).image.format == declared.upper()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
@pytest.mark.parametrize("stated", [True, False], ids=["declared", "undeclared"])
@pytest.mark.posix("encodings of XML that lxml's wheels for Windows do not know")
def test_other_encodings_are_read(tmp_path: Path, encoding: str, stated: bool) -> None:
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
    "WKT known to PROJ": (f"<WKT>{ZONE}</WKT>", 32632),
    "unknown WKT": ("<WKT>GRID[1]</WKT>", None),
    "none": ("", None),
}


@pytest.mark.parametrize("output", ["x.tpkx", "x.tpk", "x"])
@pytest.mark.parametrize("name", REFERENCES)
def test_only_tpkx_needs_a_spatial_reference(tmp_path: Path, name: str, output: str) -> None:
    reference, wkid = REFERENCES[name]
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=reference))
    try:
        result = export_tiles(cache, tmp_path / output)
    except ConfError as error:
        assert (output, name) == ("x.tpkx", "none")
        assert "spatial reference is not stated, which a .tpkx requires" in str(error)
        assert str(error).startswith(f"{cache}: ")
        return
    if output == "x.tpkx":
        stated = read_json(result.path, "root.json")["spatialReference"]
        assert stated.get("wkid") == (102100 if wkid == 3857 else wkid)
        assert ("wkt" in stated) == (wkid is None)
    elif wkid not in (3857, 102100) or output == "x":
        assert open_cache(result.path).scheme.reference == open_cache(cache).scheme.reference


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    "empty file": ("", "is not well-formed XML"),
    "zip file": ("PK\3\4", "is not well-formed XML"),
    "truncated file": (conf_text()[:400], "is not well-formed XML"),
    "other document": (
        "<Envelope/>",
        "Envelope/TileCacheInfo is missing; expected the tiling scheme of a cache",
    ),
    "entity bomb": (conf_text().replace("<CacheInfo", BOMB + "<CacheInfo").replace("?>", "?>", 1), "document type"),
    "external entity": (
        conf_text().replace("<CacheInfo", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><CacheInfo'),
        "document type",
    ),
    "no levels": (conf_text(levels=[]), "LODInfos/LODInfo is missing; expected at least one level of detail"),
    "duplicate level": (
        conf_text(levels=[1, 1]),
        r"LODInfo/LevelID is not unique; found \[1, 1\], expected each level once",
    ),
    "too many levels": (conf_text(levels=range(101)), "too many levels of detail; found 101, expected at most 100"),
    "level of 20 digits": (
        conf_text().replace("<LevelID>3<", "<LevelID>" + "9" * 20 + "<"),
        "LODInfo/LevelID is invalid; found 9{20}, expected an integer from 0 to 99",
    ),
    "negative level": (
        conf_text().replace("<LevelID>3<", "<LevelID>-3<"),
        "LevelID is invalid; found -3, expected an integer from 0 to 99",
    ),
    "resolution of 0": (
        conf_text().replace("<Resolution>", "<Resolution>0</Resolution><Resolution>"),
        r"LODInfo/Resolution is invalid; found 0, expected a number from 1e-15 to 1e\+15",
    ),
    "resolution of text": (conf_text().replace("<Resolution>", "<Resolution>x"), "Resolution is invalid; found x"),
    "empty resolution": (
        conf_text().replace("<Resolution>", "<Resolution/><Resolution>"),
        "LODInfo/Resolution is invalid; found an empty element, expected a number",
    ),
    "infinite scale": (
        conf_text().replace("<Scale>", "<Scale>1e999</Scale><Scale>"),
        "LODInfo/Scale is invalid; found 1e999, expected a number",
    ),
    "resolution below the minimum": (
        conf_text().replace("<Resolution>", "<Resolution>1e-320</Resolution><Resolution>"),
        r"found 1e-320, expected a number from 1e-15 to 1e\+15",
    ),
    "resolution above the maximum": (
        conf_text().replace("<Resolution>", "<Resolution>1e308</Resolution><Resolution>"),
        r"found 1e308, expected a number from 1e-15 to 1e\+15",
    ),
    "origin above the maximum": (
        conf_text(x="-1e300"),
        r"TileOrigin/X is invalid; found -1e300, expected a coordinate from -1e\+15 to 1e\+15",
    ),
    "tiles of 0 pixels": (conf_text(tile=0), "TileCacheInfo/TileRows is invalid; found 0"),
    "tiles of 10^9 pixels": (conf_text(tile=10**9), "expected an integer from 1 to 8192"),
    "no origin": (
        conf_text().replace("TileOrigin", "Origin"),
        "TileCacheInfo/TileOrigin is missing; expected the origin",
    ),
    "no format": (conf_text(format=""), "CacheTileFormat is invalid; found an empty element, expected JPEG"),
    "quality of 101": (conf_text(quality=101), "CompressionQuality is invalid; found 101"),
    "unknown storage format": (conf_text(storage="zarr"), "StorageFormat is invalid; found zarr"),
    "packet size of 64": (conf_text().replace("PacketSize>128", "PacketSize>64"), "PacketSize is invalid; found 64"),
    "resolution of a million digits": (
        conf_text().replace("<Resolution>", f"<Resolution>{'9' * 10**6}</Resolution><Resolution>", 1),
        "LODInfo/Resolution is invalid; found 999",
    ),
    "level of a million digits": (conf_text().replace("<LevelID>3<", f"<LevelID>{'1' * 10**6}<"), "from 0 to 99"),
    "level of non-ASCII digits": (
        conf_text().replace("<LevelID>3<", "<LevelID>\N{ARABIC-INDIC DIGIT ONE}<"),
        "LevelID",
    ),
    "levels without a LevelID": (
        conf_text().replace("LevelID>", "Level>"),
        "LODInfo/LevelID is missing; expected an integer from 0 to 99",
    ),
    "well-known id of 20 digits": (
        conf_text(reference="<WKID>" + "9" * 20 + "</WKID>"),
        "SpatialReference/WKID is invalid; found 9999",
    ),
    "text of 20 MB": (conf_text(reference="<WKT>" + "x" * 20_000_000 + "</WKT>"), "is not well-formed XML"),
    "100,000 nested elements": ("<a>" * 100_000, "is not well-formed XML"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.posix("encodings of XML that lxml's wheels for Windows do not know")
def test_invalid_conf_xml_is_rejected_in_one_line(tmp_path: Path, name: str) -> None:
    text, message = HOSTILE[name]
    path = write(tmp_path, text)
    with pytest.raises(ConfError, match=message) as caught:
        read_conf(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        conf_text(reference="<WKT>Z\u00fcrich</WKT>").encode("iso-8859-1"),  # declared as UTF-8
        conf_text().encode("utf-16")[:-1],
        conf_text().replace("utf-8", "no-such").encode(),
        conf_text().replace("<DPI>", "<DPI>\0").encode(),
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        bytes(1000),
    ],
    ids=[
        "invalid UTF-8",
        "truncated UTF-16",
        "unknown encoding",
        "null byte",
        "UTF-16 byte order mark",
        "UTF-8 byte order mark",
        "null bytes",
    ],
)
@pytest.mark.posix("encodings of XML that lxml's wheels for Windows do not know")
def test_invalid_encodings_are_rejected(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "conf.xml").write_bytes(data)
    with pytest.raises(ConfError, match="is not well-formed XML") as caught:
        read_conf(tmp_path / "conf.xml")
    assert str(caught.value).startswith(f"{tmp_path / 'conf.xml'}: ")
    assert "\n" not in str(caught.value)


def test_external_entities_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    head = f'<!DOCTYPE CacheInfo [<!ENTITY e SYSTEM "{secret.as_uri()}">]><CacheInfo'
    path = write(tmp_path, conf_text(format="&e;").replace("<CacheInfo", head, 1))
    with pytest.raises(ConfError, match="document type declarations are not allowed; found <!DOCTYPE>") as caught:
        read_conf(path)
    assert "a secret" not in str(caught.value)


mutated = settings(derandomize=True, database=None, deadline=None)


@mutated
@given(cut=st.integers(0, 2500), junk=st.binary(max_size=8))
def test_mutated_conf_xml_is_read_or_rejected(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.xml"
    data = conf_text().encode()
    path.write_bytes(data[:cut] + junk + data[cut + len(junk) :])
    try:
        assert read_conf(path).scheme.lods
    except ConfError as error:
        assert "\n" not in str(error)


def test_full_extent_is_read(tmp_path: Path) -> None:
    assert read_cdi(write(tmp_path, CDI.format(-180, "-9.0E1", 180.5, 90), "conf.cdi")) == (-180, -90, 180.5, 90)


@pytest.mark.parametrize("numbers", [(0, 0, 0, 1), (0, 1, 1, 0), ("NaN", "NaN", "NaN", "NaN"), (1, 1, 0, 0)])
def test_empty_extent_is_none(tmp_path: Path, numbers: tuple[object, ...]) -> None:
    """Esri software writes an empty envelope as four NaN; the full extent is then that of the tiles."""
    assert read_cdi(write(tmp_path, CDI.format(*numbers), "conf.cdi")) is None


@pytest.mark.parametrize("numbers", [("x", 0, 1, 1), ("", 0, 1, 1), ("inf", 0, 1, 1), ("-1e300", 0, 1, 1)])
def test_invalid_extent_is_rejected(tmp_path: Path, numbers: tuple[object, ...]) -> None:
    with pytest.raises(ConfError, match="EnvelopeN/XMin is invalid"):
        read_cdi(write(tmp_path, CDI.format(*numbers), "conf.cdi"))


@pytest.mark.parametrize("text", ["", "{}", BOMB + "<EnvelopeN/>", "<EnvelopeN>" * 10**5, CDI.format(1, 2, 3, 4)[:-9]])
def test_invalid_conf_cdi_is_rejected_in_one_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text, "conf.cdi")
    with pytest.raises(ConfError, match=r"is not well-formed XML|document type declarations are not allowed") as caught:
        read_cdi(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@mutated
@given(
    at=st.integers(0, 260), cut=st.integers(0, 20), junk=st.binary(max_size=8) | st.sampled_from([b"<", b"NaN", b"-"])
)
def test_mutated_conf_cdi_is_read_or_rejected(
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
