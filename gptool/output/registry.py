"""The kinds of results, and which of them an output name or a request asks for.

To add a kind, write one module with its `OutputKind` and add that to `FILE_KINDS`.
"""

from __future__ import annotations

import os
import re
import reprlib
from pathlib import Path

from gptool import system
from gptool.errors import ParameterError, translate_os_errors
from gptool.model import StorageFormat
from gptool.output.dataset import COMPACT_DATASET, COMPACT_V2_DATASET
from gptool.output.geopackage import GEOPACKAGE
from gptool.output.kind import OutputKind
from gptool.output.mbtiles import MBTILES
from gptool.output.pmtiles import PMTILES
from gptool.output.tpk import TPK
from gptool.output.tpkx import TPKX
from gptool.system.store_url import (
    OUTPUTS,
    WRITABLE,
    AnyLocation,
    Location,
    StoreUrl,
    hide_secrets,
    is_store_url,
    read_store_url,
)
from gptool.text import format_choices

FILE_KINDS: tuple[OutputKind, ...] = (TPKX, TPK, MBTILES, GEOPACKAGE, PMTILES)
"""Kinds that are one file, chosen by the suffix of the output's name."""

SUFFIXES = format_choices(kind.suffix for kind in FILE_KINDS)

EXPECTED_NAME = (
    f"a name that ends in {SUFFIXES}, or the name of a folder, without a suffix of a file, for a cache raster dataset"
)

EXPECTED_FOLDER = "the name of a folder, without a suffix of a file, in which the parts appear"

TILE_PACKAGES: dict[StorageFormat, OutputKind] = {StorageFormat.COMPACT_V2: TPKX, StorageFormat.COMPACT: TPK}
"""Esri's tile packages, which `tilePackage=true` asks for, by storage format."""

DATASETS: dict[StorageFormat, OutputKind] = {
    StorageFormat.COMPACT_V2: COMPACT_V2_DATASET,
    StorageFormat.COMPACT: COMPACT_DATASET,
}
"""Cache raster datasets, the kind of any folder, by storage format."""

DEFAULT_STORAGE_FORMAT = StorageFormat.COMPACT_V2

FILE_SUFFIX = re.compile(r"\.(?:[a-z]{2,8}|[a-z]*tpk.*|mp4|7z|jp2)\s*", re.IGNORECASE)
"""A suffix like those of file formats, of letters: an output of such a name is rejected, since it is not meant to be a
folder. Folders may have the names of versions, such as world.2024 and world.v2."""


def kind_for_request(storage_format: StorageFormat | None, *, tile_package: bool) -> OutputKind:
    """Return the kind of result for the parameters storageFormatType and tilePackage; compact V2 by default."""
    kinds = TILE_PACKAGES if tile_package else DATASETS
    return kinds[storage_format or DEFAULT_STORAGE_FORMAT]


def is_tile_package(output: str | os.PathLike[str]) -> bool:
    """Return True if an output of this name is one of Esri's tile packages."""
    suffix = Path(output).suffix.lower()
    return any(kind.suffix == suffix for kind in TILE_PACKAGES.values())


def is_file_name(output: str | os.PathLike[str]) -> bool:
    """Return True if an output of this name is one file, whose format its suffix states."""
    suffix = Path(output).suffix.lower()
    return any(kind.suffix == suffix for kind in FILE_KINDS)


def resolve_output(
    output: AnyLocation, storage_format: StorageFormat | None, *, has_parts: bool = False
) -> tuple[Location, OutputKind]:
    """Return the absolute path or URL of a result, and the kind of result that its name and the storage format ask for.

    Parameters
    ----------
    output : path, str or StoreUrl
        A name with the suffix of one of `FILE_KINDS`, else the name of a folder: a cache raster dataset.
    storage_format : StorageFormat or None
        The storage format of a dataset or of parts, compact V2 by default; a package has only one.
    has_parts : bool
        Whether the result is a folder of tile packages.

    Raises
    ------
    ParameterError
        If the name is empty or has the suffix of an unsupported format, if the file has another storage format, or
        if the name of a folder of parts has the suffix of a package.
    OutputError
        If the working folder no longer exists.
    """
    if not isinstance(output, str | os.PathLike | StoreUrl):
        raise ParameterError("value is not a path", where="output", found=reprlib.repr(output), expected=EXPECTED_NAME)
    target: Location
    if isinstance(output, StoreUrl) or is_store_url(output):
        target = _read_url(output, has_parts=has_parts)
    else:
        target = _read_path(output)
    suffix = target.suffix.lower()
    kind = next((kind for kind in FILE_KINDS if kind.suffix == suffix), None)
    has_name = target.name and all(kind.suffix != target.name.lower() for kind in FILE_KINDS)
    meant = Path(target.name.rstrip(". ")).suffix.lower()
    if not has_name or (kind is None and FILE_SUFFIX.fullmatch(meant)):
        what, found = ("unsupported output format", f"the suffix {meant}") if has_name else ("output has no name", None)
        expected = EXPECTED_FOLDER if has_parts else EXPECTED_NAME
        raise ParameterError(what, where=target, found=found, expected=expected)
    if has_parts:
        if kind is not None:
            what = "output has the suffix of a file, but the export is divided into parts"
            raise ParameterError(
                what, where=target, found=suffix, expected=f"the name of a folder such as {target.stem}"
            )
        return target, TILE_PACKAGES[storage_format or DEFAULT_STORAGE_FORMAT]
    if kind is None:
        return target, DATASETS[storage_format or DEFAULT_STORAGE_FORMAT]
    if storage_format is not None and storage_format is not kind.storage_format:
        own = f"{kind.storage_format.short_name}, or " if kind.storage_format else "none, or "
        raise ParameterError(
            f"not the storage format of a {suffix}" if kind.storage_format else f"has no meaning for a {suffix}",
            where="storageFormatType",
            found=storage_format.short_name,
            expected=f"{own}the name of a folder as output",
        )
    return target, kind


def _read_path(output: str | os.PathLike[str]) -> Path:
    """Return the absolute path of an output. Raises as `resolve_output`."""
    if not os.fspath(output).strip():
        raise ParameterError("name is empty", where="output", expected=EXPECTED_NAME)
    if foreign := system.foreign_path(output):
        raise ParameterError(foreign[0], where=hide_secrets(os.fspath(output)), expected=foreign[1])
    with translate_os_errors(Path(output)):
        return Path(os.path.abspath(output))  # noqa: PTH100 - Path.absolute keeps `..`


def _read_url(output: str | StoreUrl, *, has_parts: bool) -> StoreUrl:
    """Return the URL of an output in a store. Raises ParameterError if results cannot be written there."""
    try:
        url = read_store_url(output)
    except ValueError as error:
        raise ParameterError(str(error), where="output", expected=OUTPUTS) from None
    if not url.path:
        raise ParameterError("output has no name", where=url, found="a bucket", expected=EXPECTED_NAME)
    if url.scheme not in WRITABLE:
        raise ParameterError("results cannot be written to a web server", where=url, expected=OUTPUTS)
    if not {"", ".", ".."}.isdisjoint(url.path.split("/")):
        raise ParameterError(
            "path has an empty part, . or ..", where=url, expected="the names of folders and the output"
        )
    if has_parts:
        raise ParameterError(
            "parts cannot be written to a store", where=url, expected="the name of a folder on a disk, or no parts"
        )
    return url
