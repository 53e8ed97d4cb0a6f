"""Settings file: the caches that a service or a toolbox exports tiles from.

A TOML file with one table per cache. The last two keys have the names and the defaults of ArcGIS Server's service
properties. `workers` is the number of threads of one job:

    workers = 4

    [caches.World]
    location = "/data/caches/World"
    exportTilesAllowed = true
    maxExportTilesCount = 100000
    title = "World imagery"
    description = "Satellite images of the whole world."
    copyright = "Space agency"
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptool.errors import ParameterError, SettingsError
from gptool.system.store_url import Location, StoreUrl, is_store_url, location_text, read_store_url
from gptool.text import nearest_name

MAX_EXPORT_TILES_COUNT = 100_000
"""Maximum number of tiles of one export by default, as in ArcGIS Server."""

NAME_PATTERN = re.compile(r"\w[\w.-]*")
NAME_RULE = "letters, digits, '_', '-' and '.', starting with a letter, a digit or '_'"

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""A key that TOML accepts without quotes (TOML 1.0, "Keys")."""

TOML_ERROR = re.compile(r"(?P<what>.+) \(at (?P<place>[^()]+)\)", re.DOTALL)

TEXT_KEYS = "title", "description", "copyright"
"""Keys of a cache that are texts for people, and may be omitted."""

FILE_COMMENT = """\
# Caches that tiles can be exported from. An export of more than maxExportTilesCount tiles is rejected, and so is every
# export from a cache with exportTilesAllowed = false. A relative location is relative to the folder of this file.

# Threads of one job. By default, the processors are shared between the {instances} jobs that run at once.
# workers = 4
"""

INSTANCES = 2
"""Jobs that ArcGIS Server runs at once on each machine unless an administrator changes it (`maxInstances`)."""

TYPE_DESCRIPTIONS = {
    dict: "a table",
    str: "a non-empty string",
    bool: "true or false",
    int: "an integer from 0",
    list: "a list of non-empty strings",
}
"""Valid values of a key, by the type that `read_value` expects."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Settings of one cache.

    Attributes
    ----------
    location : Path or StoreUrl
        Path or URL of the cache folder or tile package.
    export_tiles_allowed : bool
        Whether tiles can be exported from the cache.
    max_export_tiles_count : int
        Maximum number of tiles of one export.
    title, description, copyright : str
        Texts about the cache for people, which a service shows; empty if there are none.
    """

    location: Location
    export_tiles_allowed: bool = True
    max_export_tiles_count: int = MAX_EXPORT_TILES_COUNT
    title: str = ""
    description: str = ""
    copyright: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Contents of a settings file.

    Attributes
    ----------
    caches : mapping of str to CacheSettings
        The caches by name.
    workers : int or None
        Threads of one job; None to share the processors between `INSTANCES` jobs.
    """

    caches: Mapping[str, CacheSettings]
    workers: int | None = None

    @property
    def threads(self) -> int:
        """Threads of one job."""
        return self.workers or max(1, (os.cpu_count() or 1) // INSTANCES)

    @property
    def exportable(self) -> list[str]:
        """Names of the caches that tiles can be exported from, in the order of the file."""
        return [name for name, cache in self.caches.items() if cache.export_tiles_allowed]

    def cache(self, name: str) -> CacheSettings:
        """Return the settings of a cache that tiles can be exported from.

        Raises
        ------
        ParameterError
            If there is no such cache, or exporting from it is not allowed.
        """
        if name not in self.exportable:
            names = ", ".join(self.exportable)
            raise ParameterError(
                "not available for export",
                where="cache",
                found=repr(name),
                expected=f"one of {names}" if names else None,
            )
        return self.caches[name]


def read_settings(path: str | os.PathLike[str]) -> Settings:
    """Read a settings file.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not valid TOML, or if a key is unknown, is missing or has an invalid value.
    """
    path = Path(path).absolute()
    tables = read_tables(path, ("caches", "workers"))
    workers = read_value(path, "", tables, "workers", int) if "workers" in tables else None
    if workers == 0:
        raise SettingsError("workers has an invalid value", where=path, found="0", expected="an integer from 1")
    return Settings(read_caches(path, tables, NAME_PATTERN, NAME_RULE), workers)


def read_tables(path: Path, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Parameters
    ----------
    path : Path
    known : tuple of str
        The allowed keys of the top level.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not valid TOML, or has an unknown key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some Windows editors write a byte order mark
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror or error}", where=path) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"not valid TOML{_place_first(str(error))}", where=path) from None
    check_keys(path, "", tables, known)
    return tables


def _place_first(error: str) -> str:
    """Return the end of a message about an error of TOML, which the parser states as `what (at place)`."""
    match = TOML_ERROR.fullmatch(error)
    return f" at {match['place']}: {match['what']}" if match else f": {error}"


def read_caches(path: Path, tables: dict[str, Any], pattern: re.Pattern[str], rule: str) -> dict[str, CacheSettings]:
    """Return the caches of a settings file by name.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    tables : dict
        Its tables, see `read_tables`.
    pattern, rule : re.Pattern, str
        What a cache name must match, and its description for error messages.

    Raises
    ------
    SettingsError
        If a name is invalid, or a key is unknown, is missing or has an invalid value.
    """
    caches = read_value(path, "", tables, "caches", dict)
    found = {}
    for name in caches:
        table = read_value(path, "caches.", caches, name, dict)
        if not pattern.fullmatch(name):
            raise SettingsError("invalid cache name", where=path, found=repr(name), expected=rule)
        found[name] = _read_cache(path, f"caches.{name}.", table)
    return found


def _read_cache(path: Path, prefix: str, table: dict[str, Any]) -> CacheSettings:
    check_keys(path, prefix, table, ("location", "exportTilesAllowed", "maxExportTilesCount", *TEXT_KEYS))
    return CacheSettings(
        location=read_store(path, prefix, table, "location") or path.parent / table["location"],
        export_tiles_allowed=read_value(path, prefix, table, "exportTilesAllowed", bool, True),
        max_export_tiles_count=read_value(path, prefix, table, "maxExportTilesCount", int, MAX_EXPORT_TILES_COUNT),
        **{key: read_value(path, prefix, table, key, str) for key in TEXT_KEYS if key in table},
    )


def read_store(path: Path, prefix: str, table: dict[str, Any], key: str) -> StoreUrl | None:
    """Return the URL of a store that a key of a table has, which is text; None if it is no such URL.

    Raises
    ------
    SettingsError
        If the key is missing, the value is not text, or the URL is not valid.
    """
    text: str = read_value(path, prefix, table, key, str)
    try:
        return read_store_url(text) if is_store_url(text) else None
    except ValueError as error:
        raise SettingsError(f"{prefix}{key} is not valid: {error}", where=path) from None


def read_value(path: Path, prefix: str, table: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
    """Return the value of a key of a table.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    prefix : str
        The name of the table followed by a dot, or an empty string for the top level; for error messages.
    table : dict
    key : str
    kind : type
        The type of the value, one of `TYPE_DESCRIPTIONS`. Subtypes are rejected: `true` is not an integer.
    default : object, optional
        The value if the key is missing. By default the key is required.

    Raises
    ------
    SettingsError
        If a required key is missing, or the value is of another type, an empty string, a negative number, or a list
        of other items than non-empty strings.
    """
    if key not in table and default is None:
        raise SettingsError(f"{prefix}{key} is missing", where=path, expected=TYPE_DESCRIPTIONS[kind])
    value = table.get(key, default)
    is_invalid_list = isinstance(value, list) and not all(isinstance(item, str) and item for item in value)
    if type(value) is not kind or value == "" or is_invalid_list or (isinstance(value, int) and value < 0):
        raise SettingsError(
            f"{prefix}{key} has an invalid value", where=path, found=repr(value), expected=TYPE_DESCRIPTIONS[kind]
        )
    return value


def check_keys(path: Path, prefix: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    """Check that a table has only known keys.

    Parameters
    ----------
    path, prefix, table
        See `read_value`.
    known : tuple of str

    Raises
    ------
    SettingsError
        If the table has another key.
    """
    for key in table:
        if key not in known:
            nearest = nearest_name(key, known) if len(known) > 1 else None
            hint = f" (the nearest is {nearest})" if nearest else ""
            raise SettingsError(f"unknown key {prefix}{key}{hint}", where=path, expected=f"one of {', '.join(known)}")


def write_settings(path: str | os.PathLike[str], caches: Mapping[str, CacheSettings]) -> None:
    """Write a settings file that states every key, except texts that are empty.

    Raises
    ------
    SettingsError
        If a location cannot be encoded as Unicode.
    """
    text = FILE_COMMENT.format(instances=INSTANCES)
    for name, cache in caches.items():
        key = name if BARE_KEY.fullmatch(name) else _toml_string(name)
        text += (
            f"\n[caches.{key}]\nlocation = {_toml_string(location_text(cache.location))}\n"
            f"exportTilesAllowed = {str(cache.export_tiles_allowed).lower()}\n"
            f"maxExportTilesCount = {cache.max_export_tiles_count}\n"
        )
        texts = {key: getattr(cache, key) for key in TEXT_KEYS}
        text += "".join(f"{key} = {_toml_string(value)}\n" for key, value in texts.items() if value)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        excerpt = text[max(error.start - 50, 0) : error.end]
        raise SettingsError("location is not valid Unicode", where=path, found=repr(excerpt)) from None
    Path(path).write_bytes(data)


def _toml_string(text: str) -> str:
    """Return a string of TOML (TOML 1.0, "String").

    Windows paths are literal strings, in which backslashes stand for themselves, so that people can edit them. Others
    are basic strings: JSON strings in which DEL is escaped too.
    """
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
