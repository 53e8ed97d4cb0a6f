"""Jobs whose result answers an equal request again for some minutes: sample compressions, which take long to make."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gptool.cache import TileCache, open_cache
from gptool.cache.byte_source import file_stamp
from gptool.errors import CacheError
from gptool.jobs.record import SAMPLE_COMPRESSIONS, JobRecord
from gptool.jobs.status import JobStatus
from gptool.service.catalog import cache_signature
from gptool.system.store_url import Location

REUSED = {SAMPLE_COMPRESSIONS}
"""The operations of such jobs."""

REUSE_SECONDS = 600.0
"""Bundles that are written in place meanwhile are not noticed."""

MAX_REMEMBERED = 256


class ReusableJobs:
    """The newest job of each request; those that were cancelled or have failed are not used."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def find(self, key: bytes) -> str | None:
        """Return the id of the job of a request, None if there is none or it is too old."""
        job_id, created = self._jobs.get(key, ("", 0.0))
        return job_id if job_id and time.monotonic() - created < REUSE_SECONDS else None

    def add(self, key: bytes, job_id: str) -> None:
        """Remember the job of a request."""
        self._jobs.pop(key, None)
        self._jobs[key] = job_id, time.monotonic()
        while len(self._jobs) > MAX_REMEMBERED:
            self._jobs.popitem(last=False)


def request_key(record: JobRecord, inputs: Mapping[str, Any], location: Location) -> bytes:
    """Return a digest of the request of a job, and of the state of the cache at a location.

    Inputs may have megabytes, and the cache is read: call it in a thread.
    """
    request = record.operation, record.service, record.service_type, record.owner, sorted(inputs.items())
    return hashlib.sha256(repr((request, _cache_state(location))).encode()).digest()


def _cache_state(location: Location) -> object:
    """Return what changes when a package, the metadata of a cache, or a file in the folder of a level is replaced."""
    try:
        cache = open_cache(location)
        return cache.conf_xml, cache.root_json, _stamps(cache)
    except (CacheError, OSError):
        return None  # the job fails by the error


def _stamps(cache: TileCache) -> list[tuple[int, ...]]:
    stamps = [cache_signature(cache)]
    if isinstance(cache.location, Path) and cache.location.is_dir():
        levels = sorted((cache.location / cache.tiles_folder).iterdir())
        stamps += [file_stamp(path.stat()) for path in levels]
    return stamps


def is_usable(record: JobRecord) -> bool:
    """Return True if a job has succeeded, or may still do so."""
    return record.status is JobStatus.SUCCEEDED or record.status.is_cancellable
