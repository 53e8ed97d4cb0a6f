"""The settings file of a service: the caches it offers, and what may be exported from each.

A TOML table for each cache; the last two keys have the names and the defaults of ArcGIS Server's service properties:

    [caches.World]
    location = "/data/caches/World"
    exportTilesAllowed = true
    maxExportTilesCount = 100000
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

MAX_EXPORT_TILES_COUNT = 100_000
"""Tiles of one export, unless the settings say otherwise: ArcGIS Server's default."""

NAME = re.compile(r"\w[\w.-]*")
BARE = re.compile(r"[A-Za-z0-9_-]+")
"""Names that TOML takes without quotes."""

NAME_RULE = "letters, digits, _, - and ., first a letter, a digit or _"

HEAD = """\
# The caches that the tools offer. Exports of more than maxExportTilesCount tiles are refused; a cache with
# exportTilesAllowed = false is not offered. A relative location is relative to this file.
"""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What a service does with one cache.

    Attributes
    ----------
    location : Path
        Of the cache folder or package.
    export_tiles_allowed : bool
        Whether the cache is offered.
    max_export_tiles_count : int
        The most tiles of one export.
    """

    location: Path
    export_tiles_allowed: bool = True
    max_export_tiles_count: int = MAX_EXPORT_TILES_COUNT


@dataclass(frozen=True, slots=True)
class Settings:
    """The caches of a service, by the names that clients know them by."""

    caches: Mapping[str, CacheSettings]

    @property
    def allowed(self) -> list[str]:
        """The names of the caches that are offered."""
        return [name for name, cache in self.caches.items() if cache.export_tiles_allowed]

    def cache(self, name: str) -> CacheSettings:
        """Return what is said of a cache that is offered.

        Raises
        ------
        ParameterError
            When there is none of this name.
        """
        if name not in self.allowed:
            raise ParameterError(
                "no cache to export tiles from", where="cache", found=name, expected=", ".join(self.allowed) or None
            )
        return self.caches[name]


def read_settings(path: str | os.PathLike[str]) -> Settings:
    """Read a settings file.

    Raises
    ------
    SettingsError
        When it can't be read, is no TOML, or a key is unknown, missing, or has a value it can't have.
    """
    path = Path(path).absolute()
    tables = read_tables(path, ("caches",))
    return Settings(read_caches(path, tables, NAME, NAME_RULE))


def read_tables(path: Path, known: tuple[str, ...]) -> dict[str, Any]:
    """Return what a TOML file holds. Raises SettingsError when it can't be read, or has a key that is not known."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors of Windows put a mark in front
    except OSError as error:
        raise SettingsError(f"can't be read: {error.strerror or error}", where=path) from error
    except ValueError as error:
        raise SettingsError(f"no TOML: {error}", where=path) from None
    check_keys(path, "", tables, known)
    return tables


def read_caches(path: Path, tables: dict[str, Any], name: re.Pattern[str], rule: str) -> dict[str, CacheSettings]:
    """Return the caches of a settings file whose names follow a rule. Raises SettingsError."""
    caches = read_value(path, "", tables, "caches", dict)
    found = {}
    for key in caches:
        table = read_value(path, "caches.", caches, key, dict)
        if not name.fullmatch(key):
            raise SettingsError("a cache's name", where=f"{path}: caches", found=repr(key), expected=rule)
        found[key] = _cache(path, f"caches.{key}.", table)
    return found


def _cache(path: Path, where: str, table: dict[str, Any]) -> CacheSettings:
    check_keys(path, where, table, ("location", "exportTilesAllowed", "maxExportTilesCount"))
    return CacheSettings(
        location=path.parent / read_value(path, where, table, "location", str),
        export_tiles_allowed=read_value(path, where, table, "exportTilesAllowed", bool, True),
        max_export_tiles_count=read_value(path, where, table, "maxExportTilesCount", int, MAX_EXPORT_TILES_COUNT),
    )


KINDS = {dict: "a table", str: "a text in quotes", bool: "true or false", int: "a whole number from 0"}


def read_value(path: Path, where: str, table: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
    """Return the value of a key, which is of this very type: true is no number. Raises SettingsError."""
    if key not in table and default is None:
        raise SettingsError("missing", where=f"{path}: {where}{key}", expected=KINDS[kind])
    value = table.get(key, default)
    if type(value) is not kind or value == "" or (isinstance(value, int) and value < 0):
        raise SettingsError(
            "a value it can't have", where=f"{path}: {where}{key}", found=repr(value), expected=KINDS[kind]
        )
    return value


def check_keys(path: Path, where: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    """Make sure that a table has no key but these. Raises SettingsError."""
    for key in table:
        if key not in known:
            raise SettingsError("no such key", where=f"{path}: {where}{key}", expected=", ".join(known))


def write_settings(path: str | os.PathLike[str], caches: Mapping[str, CacheSettings]) -> None:
    """Write a settings file that states every key.

    Raises
    ------
    SettingsError
        When a location has no name in Unicode.
    """
    text = HEAD
    for name, cache in caches.items():
        text += (
            f"\n[caches.{name if BARE.fullmatch(name) else _quoted(name)}]\nlocation = {_quoted(str(cache.location))}\n"
            f"exportTilesAllowed = {str(cache.export_tiles_allowed).lower()}\n"
            f"maxExportTilesCount = {cache.max_export_tiles_count}\n"
        )
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        around = text[max(error.start - 50, 0) : error.end]
        raise SettingsError("a location that is no Unicode", where=path, found=repr(around)) from None
    Path(path).write_bytes(data)


def _quoted(text: str) -> str:
    """Return a text as TOML writes it, which is as JSON does, but for one more character that must not stand bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
