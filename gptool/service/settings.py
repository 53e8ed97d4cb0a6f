"""Settings of the service: the published caches, the address to listen on, and the limits.

A settings file has the tables of `gptool.settings`, where a cache name may have a folder, and a table `service`:

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
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gptool.errors import SettingsError
from gptool.settings import (
    NAME_PATTERN,
    NAME_RULE,
    CacheSettings,
    check_keys,
    read_caches,
    read_tables,
    read_value,
)
from gptool.system.store_url import Location, absolute_location

SERVICE_NAME = re.compile(rf"(?:({NAME_PATTERN.pattern})/)?({NAME_PATTERN.pattern})")
SERVICE_NAME_RULE = f"{NAME_RULE}, optionally preceded by a folder name as in Maps/World"

DEFAULT_OUTPUT_DIRECTORY = Path("gptool-output")
DEFAULT_MAX_AREA_BYTES = 8 * 1024 * 1024
NO_CACHES: Mapping[str, CacheSettings] = {}


def _setting(default: Any, help_text: str) -> Any:
    """Return a dataclass field that is a key of the table `service` and an option of `gptool serve`."""
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Settings of a service; the keys of a settings file are these names in camel case, as in `maxQueued`.

    Attributes
    ----------
    caches : mapping of str to CacheSettings
        The published caches by service name: `World` or `Maps/World`.
    """

    caches: Mapping[str, CacheSettings] = field(default_factory=lambda: NO_CACHES)
    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(6080, "Port to listen on; 0 selects a free port.")
    output_directory: Path = _setting(DEFAULT_OUTPUT_DIRECTORY, "Folder of the jobs and their results.")  # noqa: RUF009
    jobs: int = _setting(2, "Number of exports that run at the same time, each in its own process.")
    max_queued: int = _setting(20, "Maximum number of waiting jobs of each operation; further ones are rejected.")
    max_jobs_per_token: int = _setting(10, "Maximum number of waiting and running jobs of one token.")
    keep_hours: int = _setting(24, "Hours that a job and its result are kept after they were last accessed.")
    disk_quota: int = _setting(
        0, "Maximum size of all jobs and results in bytes; 0: the free space of the disk except 1 GB."
    )
    max_body_bytes: int = _setting(2 * DEFAULT_MAX_AREA_BYTES, "Maximum size of a request body in bytes.")
    max_area_bytes: int = _setting(DEFAULT_MAX_AREA_BYTES, "Maximum size of an area of interest in bytes.")
    max_area_vertices: int = _setting(100_000, "Maximum number of vertices of an area of interest.")
    token_file: Path | None = _setting(None, "File of the accepted tokens; see gptool token.")  # noqa: RUF009
    allow_anonymous: bool = _setting(False, "Accept requests without a token, also from other machines.")
    user_file: Path | None = _setting(None, "File of the users who log in by password; see gptool user.")  # noqa: RUF009
    max_connections: int = _setting(1000, "Maximum number of connections; further ones replace the idlest.")
    public_url: str = _setting(
        "", "URL under which a reverse proxy offers the service, possibly with a path; all URLs start with it."
    )
    proxy_hosts: tuple[str, ...] = _setting(
        (), "Address or network of a reverse proxy on another machine, whose X-Forwarded-For is trusted; repeatable."
    )
    allow_origins: tuple[str, ...] = _setting(
        (), "Origin of web pages that may use the service, such as https://maps.example.com; * for all; repeatable."
    )
    job_minutes: int = _setting(720, "Maximum duration of a job in minutes.")
    job_memory: int = _setting(4096, "Maximum memory of the process of a job in MB (millions of bytes).")
    dask: str = _setting(
        "", "Address of the scheduler of a Dask cluster that exports tiles, such as tcp://10.0.0.1:8786."
    )
    http_workers: int = _setting(1, "Number of processes that answer requests.")
    metrics_port: int = _setting(0, "Port of the loopback address for /metrics, for Prometheus; 0: no metrics.")
    access_log: Path | None = _setting(None, "File to which a line is appended for each request.")  # noqa: RUF009

    @property
    def public_host(self) -> str:
        """The host of the public URL, possibly with a port; an empty string if there is none."""
        return urlsplit(self.public_url).netloc

    @property
    def public_path(self) -> str:
        """The path of the public URL, without a trailing slash: `/tiles`, or an empty string."""
        return urlsplit(self.public_url).path.rstrip("/")


def settings_key(name: str) -> str:
    """Return the settings file's key of an attribute: `maxQueued` for `max_queued`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def option_name(item: Field[Any]) -> str:
    """Return the option of a setting: `--max-queued`; one that is given repeatedly is in the singular."""
    name = item.name.removesuffix("s") if isinstance(item.default, tuple) else item.name
    return "--" + name.replace("_", "-")


SERVICE_KEYS = {settings_key(item.name): item for item in fields(ServiceSettings) if item.metadata}
"""The fields of `ServiceSettings` by their keys in the table `service`."""


def read_service_settings(path: str | os.PathLike[str]) -> ServiceSettings:
    """Read a settings file; relative paths in it are relative to its folder.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not valid TOML, or if a key is unknown, is missing or has an invalid value.
    """
    path = Path(path).absolute()
    tables = read_tables(path, ("service", "caches"))
    caches = read_caches(path, tables, SERVICE_NAME, SERVICE_NAME_RULE)
    table = read_value(path, "", tables, "service", dict, {})
    check_keys(path, "service.", table, tuple(SERVICE_KEYS))
    return ServiceSettings(caches, **{SERVICE_KEYS[key].name: _read_setting(path, table, key) for key in table})


def named_caches(locations: Mapping[str, Location]) -> dict[str, CacheSettings]:
    """Return the default settings of caches that are given by name and location only.

    Raises
    ------
    SettingsError
        If a name is invalid.
    """
    for name in locations:
        if not SERVICE_NAME.fullmatch(name):
            raise SettingsError("invalid cache name", found=repr(name), expected=SERVICE_NAME_RULE)
    return {name: CacheSettings(absolute_location(location)) for name, location in locations.items()}


def _read_setting(path: Path, table: dict[str, Any], key: str) -> Any:
    default = SERVICE_KEYS[key].default
    if default is None or isinstance(default, Path):
        return path.parent / read_value(path, "service.", table, key, str)
    if isinstance(default, tuple):
        return tuple(read_value(path, "service.", table, key, list))
    return read_value(path, "service.", table, key, type(default))
