"""Small packages made in code, with oddities of packages that are found in the field."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from helpers.bundles import Address, bundle_bytes, bundle_v1_bytes, group_by_bundle
from helpers.caches import ORIGIN, TILE, conf_text, lod_text


def root_text(levels: range | list[int] = range(9), *, tile: int = TILE, **changes: object) -> str:
    """Return a root.json of a web Mercator package; `changes` replace its fields, None removes one."""
    lods = ",".join(
        f'{{"level":{level},"resolution":{resolution},"scale":{scale}}}'
        for level, (scale, resolution) in ((level, lod_text(level, tile)) for level in levels)
    )
    reference = '{"wkid":102100,"latestWkid":3857}'
    fields = {
        "name": '"world"',
        "version": "1.0",
        "tileBundlesPath": '"./tile"',
        "minLOD": str(min(levels, default=0)),
        "maxLOD": str(max(levels, default=0)),
        "tileInfo": f'{{"rows":{tile},"cols":{tile},"dpi":96,"origin":{{"x":-{ORIGIN},"y":{ORIGIN}}},'
        f'"spatialReference":{reference},"lods":[{lods}]}}',
        "spatialReference": reference,
        "tileImageInfo": '{"format":"JPEG","compressionQuality":85,"bandCount":3,"lercError":0}',
        "storageInfo": '{"storageFormat":"esriMapCacheStorageModeCompactV2","packetSize":128}',
    }
    fields |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in changes.items()}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value != "null") + "}"


def make_tpkx(
    path: Path,
    tiles: Mapping[Address, bytes],
    *,
    root: str | None = None,
    compression: int = zipfile.ZIP_STORED,
    arcgis: bool = True,
) -> Path:
    """Write a .tpkx with the bundles first, entries for folders, and a file that macOS has left."""
    with zipfile.ZipFile(path, "w", compression) as package:
        bundles = group_by_bundle(Path("tile"), tiles)
        for folder in {bundle.parent for bundle in bundles}:
            package.writestr(f"{folder.as_posix()}/", b"")
        for bundle, content in bundles.items():
            package.writestr(bundle.as_posix(), bundle_bytes(content, arcgis=arcgis, dead=10))
        package.writestr("tile/.DS_Store", b"litter")
        package.writestr("root.json", root or root_text())
        package.writestr("iteminfo.json", "{}")
    return path


def make_tpk(
    path: Path,
    tiles: Mapping[Address, bytes],
    *,
    name: str = "TPK Root Name",
    conf_name: str = "Conf.XML",
    conf: str | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a .tpk with names in unusual letter cases, a layer file, and a file that macOS has left."""
    with zipfile.ZipFile(path, "w", compression) as package:
        package.writestr("esriinfo/", b"")
        package.writestr("v101/.DS_Store", b"litter")
        package.writestr(f"v101/{name}.lyr", b"a layer")
        for bundle, content in group_by_bundle(Path(f"v101/{name}/_alllayers"), tiles).items():
            data, index = bundle_v1_bytes(content)
            package.writestr(bundle.as_posix(), data)
            package.writestr(bundle.with_suffix(".bundlx").as_posix(), index)
        package.writestr(f"v101/{name}/{conf_name}", conf or conf_text(storage="esriMapCacheStorageModeCompact"))
    return path
