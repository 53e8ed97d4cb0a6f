"""Cache raster datasets: the content of conf.xml and conf.cdi, and the accepted storage formats."""

from __future__ import annotations

import html
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rasterio.crs

from gptool import errors, export_tiles, open_cache
from helpers.caches import conf_text, make_cache, make_exploded_cache, png_tile, square
from helpers.checks import check_dataset, check_nothing_left
from helpers.packages import make_tpkx, root_text
from helpers.tile_readers import COMPACT, COMPACT_V2, read_dataset, read_package, read_tpk

RICH = """<?xml version="1.0" encoding="{encoding}"?>
<!-- edited --><?tool keep?>
<CacheInfo xmlns="http://www.esri.com/schemas/ArcGIS/10.1" xmlns:more="urn:more" more:by="Zürich &lt;GIS&gt;">
  <TileCacheInfo>
    <SpatialReference><WKT>PROJCS["x &amp; y"]</WKT><XYScale>148923141.92838538</XYScale><WKID>102100</WKID>
    </SpatialReference>
    <TileOrigin><X>-2.0037508342787001E7</X><Y>+20037508.3427870010</Y></TileOrigin>
    <TileCols>64</TileCols><TileRows>64</TileRows><DPI>96.0</DPI><PreciseDPI>96</PreciseDPI>
    <LODInfos><!-- one -->
      <LODInfo><LevelID> 0 </LevelID><Scale>5.91657527591555E+08</Scale><Resolution>626172.13571200</Resolution>
      </LODInfo></LODInfos>
  </TileCacheInfo>
  <TileImageInfo><CacheTileFormat>jpg</CacheTileFormat><CompressionQuality>85</CompressionQuality>
    <Antialiasing>false</Antialiasing><more:thing a="1"><![CDATA[<b>]]></more:thing></TileImageInfo>
  <CacheStorageInfo><StorageFormat>{storage}</StorageFormat><PacketSize>128</PacketSize></CacheStorageInfo>
</CacheInfo>"""
STORAGE_FORMATS = pytest.mark.parametrize(("name", "storage"), [("compact", COMPACT), ("compactV2", COMPACT_V2)])


@pytest.fixture
def one_tile_cache(tmp_path: Path) -> Path:
    """A cache of one tile, in the folder that results are written to."""
    return make_cache(tmp_path / "cache", square(0, range(1), range(1)))


def canonical(text: str | bytes) -> str:
    """Return a document in canonical form, with comments and namespace prefixes."""
    return ElementTree.canonicalize(text, with_comments=True)


# ---- conf.xml and conf.cdi ----


@STORAGE_FORMATS
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(("quality", "stated"), [(None, 85), (50, 55)])
def test_conf_xml_differs_from_its_source_in_storage_and_quality_only(
    tmp_path: Path, name: str, storage: str, encoding: str, quality: int | None, stated: int
) -> None:
    text = RICH.format(encoding=encoding, storage=COMPACT_V2)
    source = make_cache(tmp_path / "cache", square(0, range(1), range(1)))
    (source / "conf.xml").write_bytes(text.encode(encoding))
    path = export_tiles(source, tmp_path / "x", storage_format_type=name, compression_quality=quality).path
    expected = text.replace(COMPACT_V2, storage).replace(">85<", f">{stated}<").replace(encoding, "utf-8")
    assert canonical((path / "conf.xml").read_bytes()) == canonical(expected.encode())


@STORAGE_FORMATS
@pytest.mark.parametrize("namespace", ["", "http://www.esri.com/schemas/ArcGIS/9.2"])
def test_storage_info_is_added_to_conf_xml_of_9x(tmp_path: Path, name: str, storage: str, namespace: str) -> None:
    source = make_exploded_cache(tmp_path / "cache", square(0, range(1), range(1)))
    if namespace:
        text = (source / "conf.xml").read_text().replace("<CacheInfo ", f'<CacheInfo xmlns="{namespace}" ')
        (source / "conf.xml").write_text(text)
    path = export_tiles(source, tmp_path / "x", storage_format_type=name).path
    check_dataset(path, storage=storage, levels={0})
    found = ElementTree.parse(path / "conf.xml").getroot()
    [info] = found.findall("{*}CacheStorageInfo")
    assert [(child.tag.rpartition("}")[2], child.text) for child in info] == [
        ("StorageFormat", storage),
        ("PacketSize", "128"),
    ]
    assert {element.tag.rpartition("}")[0].lstrip("{") for element in found.iter()} == {namespace}
    found.remove(info)
    assert [(e.tag, e.attrib, (e.text or "").strip()) for e in found.iter()] == [
        (e.tag, e.attrib, (e.text or "").strip()) for e in ElementTree.parse(source / "conf.xml").iter()
    ]


def test_missing_quality_and_packet_size_are_added_to_conf_xml(tmp_path: Path) -> None:
    text = conf_text().replace("<CompressionQuality>85</CompressionQuality>", "")
    text = text.replace("<PacketSize>128</PacketSize>", "")
    source = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=text)
    path = export_tiles(source, tmp_path / "x").path
    check_dataset(path, storage=COMPACT_V2, levels={0})
    assert ElementTree.parse(path / "conf.xml").findtext("TileImageInfo/CompressionQuality") == "0"


def test_declared_quality_is_kept_without_jpeg_tiles(tmp_path: Path) -> None:
    tiles = {(0, 0, 0): png_tile(1)}
    source = make_cache(tmp_path / "cache", tiles, conf=conf_text(format="PNG", quality=7))
    path = export_tiles(source, tmp_path / "x", compression_quality=50).path
    assert canonical((path / "conf.xml").read_bytes()) == canonical((source / "conf.xml").read_bytes())


def test_numbers_of_root_json_keep_their_digits(tmp_path: Path) -> None:
    lods = '[{"level":0,"resolution":6.2617213571200057E5,"scale":591657527.59155500}]'
    info = (
        '{"rows":64,"cols":64,"dpi":96.0,"origin":{"x":-2.0037508342787001e+7,"y":20037508.34278700100},'
        f'"spatialReference":{{"wkid":102100,"latestWkid":3857}},"lods":{lods}}}'
    )
    source = make_tpkx(tmp_path / "cache.tpkx", square(0, range(1), range(1)), root=root_text([0], tileInfo=info))
    tiles = ElementTree.parse(export_tiles(source, tmp_path / "x").path / "conf.xml").find("TileCacheInfo")
    assert tiles is not None
    paths = ("TileOrigin/X", "TileOrigin/Y", "DPI", "LODInfos/LODInfo/Scale", "LODInfos/LODInfo/Resolution")
    assert [tiles.findtext(path) for path in paths] == [
        "-2.0037508342787001e+7",
        "20037508.34278700100",
        "96.0",
        "591657527.59155500",
        "6.2617213571200057E5",
    ]
    reference = [tiles.findtext(f"SpatialReference/{name}") for name in ("WKID", "LatestWKID", "WKT")]
    assert reference[:2] == ["102100", "3857"]
    assert rasterio.crs.CRS.from_wkt(reference[2] or "").to_epsg() == 3857


@pytest.mark.parametrize(
    ("reference", "stated"), [("<WKID>987654</WKID>", "WKID 987654"), ("<WKT>nonsense</WKT>", "the text 'nonsense'")]
)
def test_unknown_spatial_reference_is_kept_with_a_warning(tmp_path: Path, reference: str, stated: str) -> None:
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=reference))
    result = export_tiles(cache, tmp_path / "dataset")
    expected = f"the spatial reference ({stated}) is not known: clients may not know where the tiles are"
    assert result.warnings == (expected,)
    assert reference in (result.path / "conf.xml").read_text()


@pytest.mark.parametrize("reference", ["<WKID>102100</WKID><LatestWKID>3857</LatestWKID>", "<WKT>LOCAL</WKT>"])
def test_conf_cdi_repeats_the_spatial_reference(tmp_path: Path, reference: str) -> None:
    source = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf_text(reference=reference))
    path = export_tiles(source, tmp_path / "x").path
    [stated] = ElementTree.parse(path / "conf.xml").findall("TileCacheInfo/SpatialReference")
    [repeated] = ElementTree.parse(path / "conf.cdi").findall("SpatialReference")
    assert canonical(ElementTree.tostring(repeated).strip()) == canonical(ElementTree.tostring(stated).strip())


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("<WKT>LOCAL</WKT>", id="WKT unknown to PROJ"),
        pytest.param(
            "<WKT>" + html.escape(
                rasterio.crs.CRS.from_proj4("+proj=tmerc +lon_0=7.7 +x_0=123 +datum=WGS84").to_wkt(version="WKT1_ESRI")
            ) + "</WKT>",
            id="WKT without an id in PROJ",
        ),
    ],
)  # fmt: skip
def test_spatial_reference_with_wkt_only(tmp_path: Path, reference: str) -> None:
    """Every kind of result can state it."""
    conf = conf_text(reference=reference, x="0", y="20037508")
    source = make_cache(tmp_path / "cache", square(2, range(1, 3), range(2)), conf=conf)
    tiles = read_dataset(source)
    assert read_dataset(export_tiles(source, tmp_path / "x").path) == tiles
    assert read_tpk(export_tiles(source, tmp_path / "x.tpk").path) == tiles
    assert read_package(export_tiles(source, tmp_path / "x.tpkx").path) == tiles
    assert open_cache(tmp_path / "x.tpkx").scheme.reference == open_cache(source).scheme.reference
    assert canonical((tmp_path / "x" / "conf.xml").read_bytes()) == canonical((source / "conf.xml").read_bytes())


# ---- storage formats ----


@pytest.mark.parametrize(
    ("name", "storage"),
    [
        (None, COMPACT_V2),
        ("", COMPACT_V2),
        ("compactV2", COMPACT_V2),
        (" COMPACTV2 ", COMPACT_V2),
        (COMPACT_V2, COMPACT_V2),
        ("Compact", COMPACT),
        (COMPACT.upper(), COMPACT),
    ],
)
def test_spellings_of_a_storage_format(one_tile_cache: Path, tmp_path: Path, name: str | None, storage: str) -> None:
    check_dataset(
        export_tiles(one_tile_cache, tmp_path / "x", storage_format_type=name).path, storage=storage, levels={0}
    )


@pytest.mark.parametrize(
    ("output", "name", "message"),
    [
        ("x.tpkx", "compact", r"storage_format_type: not the storage format of a \.tpkx; found compact,"),
        ("x.tpk", "compactV2", r"not the storage format of a \.tpk; found compactV2, expected compact,"),
        ("x", "exploded", "storage_format_type: invalid choice; found 'exploded', expected compactV2 or compact"),
        ("x", "esriMapCacheStorageModeExploded", "storage_format_type: invalid choice"),
        ("x.tpkx", "v2", "storage_format_type: invalid choice"),
    ],
)  # fmt: skip
def test_invalid_storage_formats_are_rejected(
    one_tile_cache: Path, tmp_path: Path, output: str, name: str, message: str
) -> None:
    with pytest.raises(errors.ParameterError, match=message):
        export_tiles(one_tile_cache, tmp_path / output, storage_format_type=name)
    check_nothing_left(tmp_path, "cache")


@pytest.mark.parametrize(("output", "name"), [("x.tpkx", "compactV2"), ("x.TPKX", COMPACT_V2), ("x.tpk", "compact")])
def test_package_accepts_its_own_storage_format(one_tile_cache: Path, tmp_path: Path, output: str, name: str) -> None:
    path = export_tiles(one_tile_cache, tmp_path / output, storage_format_type=name).path
    assert (read_package if output.lower().endswith("x") else read_tpk)(path) == read_dataset(one_tile_cache)


@pytest.mark.parametrize("quality", [None, 50])
def test_comments_within_changed_elements(tmp_path: Path, quality: int | None) -> None:
    text = conf_text().replace("<CompressionQuality>", "<CompressionQuality><!-- good -->")
    text = text.replace(">esriMapCacheStorageModeCompactV2<", ">esriMap<!-- new -->CacheStorageModeCompactV2<")
    source = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=text)
    export_tiles(source, tmp_path / "x", storage_format_type="compact", compression_quality=quality)
    dataset = open_cache(tmp_path / "x")
    assert dataset.storage == "esriMapCacheStorageModeCompact"
    assert dataset.image.compression_quality == (85 if quality is None else 55)
