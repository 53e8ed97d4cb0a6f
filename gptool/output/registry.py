"""Which kind of result a name and a storage format ask for."""

from __future__ import annotations

import os
from pathlib import Path

from gptool.errors import ParameterError
from gptool.model import StorageFormat
from gptool.output.dataset import dataset
from gptool.output.kind import Kind
from gptool.output.staging import writing
from gptool.output.tpk import TPK
from gptool.output.tpkx import TPKX

PACKAGES = {".tpkx": TPKX, ".tpk": TPK}
OTHER_KINDS = (".vtpk", ".zip", ".mbtiles", ".pmtiles", ".gpkg", ".mmpk", ".slpk", ".tif", ".tiff", ".xml", ".json")
"""Names of files that people would not take for a folder."""


def kind_for(storage: StorageFormat | None, *, tile_package: bool) -> tuple[Kind, str]:
    """Return the kind of result that parameters ask for, and how its name ends; compact V2 when no storage is given."""
    if not tile_package:
        return dataset(storage or StorageFormat.COMPACT_V2), ""
    return (TPK, ".tpk") if storage is StorageFormat.COMPACT else (TPKX, ".tpkx")


def choose_kind(output: str | os.PathLike[str], storage: StorageFormat | None) -> tuple[Path, Kind]:
    """Return the absolute path of the result, and its kind.

    Parameters
    ----------
    output : path
        A name that ends in `.tpkx` or `.tpk`, else that of a folder: a cache raster dataset.
    storage : StorageFormat or None
        For a dataset, COMPACT_V2 when None; a package has one of its own.

    Raises
    ------
    ParameterError
        When there is no such kind of result, or the package has another storage.
    OutputError
        When the folder that names begin at is gone.
    """
    if not os.fspath(output):
        raise ParameterError("no result is named", where="output", found=repr(""))
    with writing(Path(output)):
        target = Path(os.path.abspath(output))  # noqa: PTH100 - `..` must not name a part of what is made
    suffix = target.suffix.lower()
    if suffix in OTHER_KINDS or not target.name:
        raise ParameterError(
            "a kind of result that can't be made",
            where=target,
            expected="a name that ends in .tpkx or .tpk, or a folder for a cache raster dataset",
        )
    kind = PACKAGES.get(suffix) or dataset(storage or StorageFormat.COMPACT_V2)
    if storage not in (None, kind.storage):
        raise ParameterError(
            f"a {suffix} has a storage format of its own",
            where="storageFormatType",
            found=storage,
            expected=f"{kind.storage}, or the name of a folder as output",
        )
    return target, kind
