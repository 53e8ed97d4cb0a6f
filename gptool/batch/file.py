"""The file of a batch: a TOML file with one table per export, and a table of values that they share.

[defaults]
cache = "/data/caches/World"
compressionQuality = 50

[exports.north]
output = "north.tpkx"
areaOfInterest = "north.geojson"
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptool import system
from gptool.errors import ParameterError, SettingsError
from gptool.export.prepare import check_target_size
from gptool.output.registry import resolve_output
from gptool.request import TOOL_INPUTS, read_call
from gptool.request.area_files import path_or_json
from gptool.request.parameters import BY_NAME
from gptool.request.values import is_absent
from gptool.settings import NAME_PATTERN, NAME_RULE, check_keys, read_store, read_tables, read_value
from gptool.system.store_url import Location, StoreUrl, hide_secrets

PARAMETERS = {parameter.name: parameter.python_name for parameter in TOOL_INPUTS if parameter.name != "tilePackage"}
"""The parameters of an export by their keys; the suffix of the output stands for `tilePackage`."""

OTHERS: Mapping[str, tuple[str, type]] = {
    "maxExportTilesCount": ("max_export_tiles_count", int),
    "overwrite": ("overwrite", bool),
    "restart": ("restart", bool),
}
"""The other arguments of `gptool.export.calls.run_call` by their keys, with their types."""

DEFAULTS_KEYS = ("cache", *dict.fromkeys((*PARAMETERS, *OTHERS)))
EXPORT_KEYS = ("cache", "output", *DEFAULTS_KEYS[1:])
"""The keys of the table `defaults` and of the table of an export."""

AREA = "areaOfInterest"


@dataclass(frozen=True, slots=True)
class BatchExport:
    """An export of a batch.

    Attributes
    ----------
    name : str
    cache : Path or StoreUrl
        Absolute path or URL.
    output : Path or StoreUrl
        Absolute path or URL.
    arguments : mapping
        The further arguments of `gptool.export.calls.run_call`.
    """

    name: str
    cache: Location
    output: Location
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch: the path of its file, and its exports in the order of the file."""

    path: Path
    exports: tuple[BatchExport, ...]


def read_batch(path: str | os.PathLike[str]) -> Batch:
    """Read the file of a batch and check all of it; relative paths in it are relative to its folder.

    Whether caches and files of areas exist is not checked: that concerns single exports, when they start.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not valid TOML, if a key is unknown, is missing or has an invalid value, or if
        an output is that of another export, lies in one, or is the cache of an export.
    """
    path = Path(path).absolute()
    tables = read_tables(path, ("defaults", "exports"))
    defaults = read_value(path, "", tables, "defaults", dict, {})
    check_keys(path, "defaults.", defaults, DEFAULTS_KEYS)
    _check_values(path, "defaults.", defaults)
    named = read_value(path, "", tables, "exports", dict)
    if not named:
        raise SettingsError("exports has no tables", where=path, expected="a table [exports.NAME] for each export")
    exports = tuple(_read_export(path, name, named, defaults) for name in named)
    _check_outputs(path, exports)
    return Batch(path, exports)


def _read_export(path: Path, name: str, named: dict[str, Any], defaults: dict[str, Any]) -> BatchExport:
    own = read_value(path, "exports.", named, name, dict)
    if not NAME_PATTERN.fullmatch(name):
        raise SettingsError("invalid name of an export", where=path, found=repr(name), expected=NAME_RULE)
    prefix = f"exports.{name}."
    check_keys(path, prefix, own, EXPORT_KEYS)
    _check_values(path, prefix, own)
    table = {**defaults, **own}
    cache = read_store(path, prefix, table, "cache") or _read_path(path, prefix, table, "cache")
    output = read_store(path, prefix, table, "output") or _read_path(path, prefix, table, "output")
    parameters = {PARAMETERS[key]: None if is_absent(table.get(key)) else table[key] for key in PARAMETERS}
    with _errors_of(path, prefix):
        area = path_or_json(parameters[PARAMETERS[AREA]])
        if isinstance(area, Path):
            area = path.parent / area
        # Without a file, which is read when the export starts.
        request = read_call(**{**parameters, PARAMETERS[AREA]: None if isinstance(area, Path) else area})
    try:
        target, kind = resolve_output(output, request.storage, has_parts=request.has_parts)
        check_target_size(kind, request)
    except ParameterError as error:
        key = "" if error.where in PARAMETERS else "output: "
        raise SettingsError(f"{prefix}{key}{error}", where=path) from None
    others = {argument: table[key] for key, (argument, _) in OTHERS.items() if key in table}
    return BatchExport(name, cache, target, {**parameters, PARAMETERS[AREA]: area, **others})


def _read_path(path: Path, prefix: str, table: dict[str, Any], key: str) -> Path:
    text: str = read_value(path, prefix, table, key, str)
    try:
        valid = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # in the encoding of the file system
        valid = False
    foreign = system.foreign_path(text)
    if not valid or foreign:
        what, expected = foreign or ("is not a path", None)
        raise SettingsError(f"{prefix}{key} {what}", where=path, found=repr(hide_secrets(text)), expected=expected)
    return path.parent / text


def _check_values(path: Path, prefix: str, table: dict[str, Any]) -> None:
    """Check each value of a table by itself."""
    for key, (_, kind) in OTHERS.items():
        if key in table:
            read_value(path, prefix, table, key, kind)
    for key in PARAMETERS.keys() & table.keys():
        with _errors_of(path, prefix):
            value = path_or_json(table[key]) if key == AREA else table[key]
            if not is_absent(value) and not isinstance(value, Path):
                BY_NAME[key].read(value)


@contextmanager
def _errors_of(path: Path, prefix: str) -> Iterator[None]:
    """Raise a SettingsError that names the file and the table in place of a ParameterError."""
    try:
        yield
    except ParameterError as error:
        raise SettingsError(f"{prefix}{error}", where=path) from None


def _check_outputs(path: Path, exports: tuple[BatchExport, ...]) -> None:
    """Check that each export can run without the others: no output is, contains or lies in what another one uses."""
    outputs: dict[Path, str] = {}
    for export in exports:
        place, key = _place(export.output), f"exports.{export.name}.output"
        if place in outputs:
            raise _shared_error(path, f"{key} is that of {outputs[place]}", export.output)
        outputs[place] = key
    for export in exports:
        for folder in _place(export.output).parents:
            if folder in outputs:
                raise _shared_error(path, f"exports.{export.name}.output lies in {outputs[folder]}", export.output)
        cache = _place(export.cache)
        for folder in (cache, *cache.parents):
            if folder in outputs:
                raise _shared_error(path, f"exports.{export.name}.cache is or lies in {outputs[folder]}", export.cache)


def _place(location: Location) -> Path:
    """Return a path without symbolic links; for a URL, one that is below those of the folders above it."""
    return Path(str(location)) if isinstance(location, StoreUrl) else system.real_path(location)


def _shared_error(path: Path, what: str, found: Location) -> SettingsError:
    return SettingsError(what, where=path, found=found, expected="an output that no other export of the file uses")
