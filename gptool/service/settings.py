"""What a service is told: the caches it offers, where it listens, and what it grants to those who ask.

A file of settings has the tables of `gptool.settings`, whose names may have a folder here, and one more:

    [service]
    port = 6080
    outputDirectory = "output"
    jobs = 2

    [caches."Maps/World"]
    location = "/data/caches/World"
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gptool.errors import SettingsError
from gptool.settings import NAME, NAME_RULE, CacheSettings, check_keys, read_caches, read_tables, read_value

SERVICE_NAME = re.compile(rf"(?:({NAME.pattern})/)?({NAME.pattern})")
SERVICE_NAME_RULE = f"{NAME_RULE}; before it may stand a folder's, as in Maps/World"

OUTPUT = Path("gptool-output")
AREA_BYTES = 8 * 1024 * 1024
NO_CACHES: Mapping[str, CacheSettings] = {}


def _said(default: Any, text: str) -> Any:
    """Return a field that has a key of its own in the table [service]."""
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What a service is told; the keys of a file are these names, as in `maxQueued`.

    Attributes
    ----------
    caches : mapping of str to CacheSettings
        By the names of their services, `World` or `Maps/World`.
    """

    caches: Mapping[str, CacheSettings] = field(default_factory=lambda: NO_CACHES)
    host: str = _said("127.0.0.1", "The address to listen at.")
    port: int = _said(6080, "The port to listen at; 0: any that is free.")
    output_directory: Path = _said(OUTPUT, "Where jobs and their results are kept.")  # noqa: RUF009 - a field
    jobs: int = _said(2, "Exports that run at once, each in a process of its own.")
    max_queued: int = _said(20, "Jobs that may wait behind those; more are refused.")
    max_jobs_per_token: int = _said(10, "Jobs of one token that may wait or run.")
    keep_hours: int = _said(24, "How long a job and its result are kept after they were last asked for.")
    disk_quota: int = _said(
        0, "Bytes that jobs and results may take together; 0: what the disk has, but for a gigabyte."
    )
    max_body_bytes: int = _said(2 * AREA_BYTES, "Bytes of one request's body.")
    max_area_bytes: int = _said(AREA_BYTES, "Bytes of an area of interest.")
    max_area_vertices: int = _said(100_000, "Vertices of an area of interest.")
    token_file: Path | None = _said(None, "The file of those who may ask; see gptool token.")  # noqa: RUF009 - a field
    allow_anonymous: bool = _said(False, "Answer everybody, at an address that others can reach.")


def key_of(name: str) -> str:
    """Return the key in files of a setting: `maxQueued` of `max_queued`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


KEYS = {key_of(item.name): item for item in fields(ServiceSettings) if item.metadata}
"""The keys of the table [service]."""


def read_service_settings(path: str | os.PathLike[str]) -> ServiceSettings:
    """Read a file of settings; relative paths in it are relative to it.

    Raises
    ------
    SettingsError
        When it can't be read, is no TOML, or a key is unknown, missing, or has a value it can't have.
    """
    path = Path(path).absolute()
    tables = read_tables(path, ("service", "caches"))
    caches = read_caches(path, tables, SERVICE_NAME, SERVICE_NAME_RULE)
    table = read_value(path, "", tables, "service", dict, {})
    check_keys(path, "service.", table, tuple(KEYS))
    return ServiceSettings(caches, **{KEYS[key].name: _setting(path, table, key) for key in table})


def named_caches(locations: Mapping[str, Path]) -> dict[str, CacheSettings]:
    """Return the settings of caches that are only named. Raises SettingsError when a name can't be."""
    for name in locations:
        if not SERVICE_NAME.fullmatch(name):
            raise SettingsError("a cache's name", where="caches", found=repr(name), expected=SERVICE_NAME_RULE)
    return {name: CacheSettings(location.absolute()) for name, location in locations.items()}


def _setting(path: Path, table: dict[str, Any], key: str) -> Any:
    default = KEYS[key].default
    if default is None or isinstance(default, Path):
        return path.parent / read_value(path, "service.", table, key, str)
    return read_value(path, "service.", table, key, type(default))
