"""Requests to an object store or a web server, by obstore: ranges of objects, and listings of folders."""

from __future__ import annotations

import os
import time
import zlib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import system
from gptool.cache.object_diagnosis import settings_error
from gptool.cache.object_errors import cut_error, has_cause, is_panic, store_error
from gptool.cache.object_settings import StoreSettings, store_settings
from gptool.errors import CacheError
from gptool.system.store_url import StoreUrl

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

INSTALL = "pip install 'gptool-export-tiles[cloud]'"

MAX_RETRIES, RETRY_SECONDS = 6, 60
"""Retries of a request that the store does not answer, or answers with a status of 500 or more, and their time."""

FIRST_DELAY, MAX_DELAY = timedelta(milliseconds=100), timedelta(seconds=5)
"""Delay before the first retry, and before any; it doubles from one to the next."""

MAX_READS = 4
"""Requests for a range whose connection is cut half-way."""

LISTING_SECONDS = 60
"""How long a listing of a folder, or the state of a package, is used unless an object is found to have changed."""

PAGE = 1000
"""Objects that stores list in one answer."""

RETRY: RetryConfig = {
    "max_retries": MAX_RETRIES,
    "retry_timeout": timedelta(seconds=RETRY_SECONDS),
    "backoff": {"init_backoff": FIRST_DELAY, "max_backoff": MAX_DELAY, "base": 2},
}
CLIENT: ClientConfig = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}


class ObjectState(NamedTuple):
    """The state of an object: it was changed if one of the numbers changes.

    Attributes
    ----------
    size : int
        Bytes.
    modified : int
        Time of the last modification, nanoseconds.
    tag : int
        CRC-32 of the entity tag; 0 if there is none.
    """

    size: int
    modified: int
    tag: int

    def is_same(self, other: ObjectState) -> bool:
        """Return True if the object was not changed. A listing may state the time more finely than an answer."""
        if self.tag and other.tag:
            return (self.size, self.tag) == (other.size, other.tag)
        return self.size == other.size and abs(self.modified - other.modified) < 1_000_000_000


class ListedObject(NamedTuple):
    """An object of a folder: its name, and its state."""

    name: str
    state: ObjectState


class ObjectClient:
    """The objects of a bucket, a container or a host. Thread-safe.

    Attributes
    ----------
    store : obstore.store.ObjectStore
    """

    def __init__(self, root: StoreUrl) -> None:
        self._root, self.store = root, _open_store(root)

    def read(self, url: StoreUrl, start: int, size: int, state: ObjectState | None) -> NDArray[np.uint8]:
        """Return a range of an object.

        Parameters
        ----------
        url : StoreUrl
        start, size : int
            The range, which is not empty, bytes.
        state : ObjectState or None
            The state that the object must have.

        Raises
        ------
        CacheError
            If it cannot be read, or was changed.
        """
        data, found, first = self._get(url, (start, start + size))
        if state is not None and not state.is_same(found):
            _changes.count += 1
            raise CacheError("object was modified or replaced while it was read", where=url)
        if len(data) != size or first != start:
            raise CacheError(
                "the store sent another range than that requested",
                where=url,
                found=f"{len(data)} bytes at offset {first}",
                expected=f"{size} bytes at offset {start}",
            )
        return data

    def read_end(self, url: StoreUrl, size: int) -> tuple[NDArray[np.uint8], ObjectState]:
        """Return the last `size` bytes of an object, or all if it is shorter, and its state. Raises as `read`."""
        if self._root.scheme == "az":  # has no requests for the end
            state = self.state(url)
            size = min(size, state.size)
            return (self.read(url, state.size - size, size, state) if size else np.empty(0, np.uint8)), state
        data, state, first = self._get(url, {"suffix": size})
        if first + len(data) != state.size or len(data) != min(size, state.size):
            raise CacheError(
                "the store sent another range than that requested",
                where=url,
                found=f"{len(data)} bytes at offset {first}",
                expected=f"the last {size} of {state.size} bytes",
            )
        return data, state

    def _get(self, url: StoreUrl, asked: Any) -> tuple[NDArray[np.uint8], ObjectState, int]:
        """Return a range, the state of the object, and where the range begins; cut connections are repeated."""
        from obstore import get

        for attempt in range(MAX_READS):
            try:
                result = get(self.store, url.path, options={"range": asked})
                return np.frombuffer(memoryview(result.bytes()), np.uint8), object_state(result.meta), result.range[0]
            except BaseException as error:  # those of obstore have no base class that includes all
                if attempt + 1 == MAX_READS or not cut_error(error):
                    raise store_error(error, url) from None
        raise AssertionError

    def state(self, url: StoreUrl) -> ObjectState:
        """Return the state of an object. Raises CacheNotFoundError, or CacheError if it cannot be queried."""
        from obstore import head

        try:
            return object_state(head(self.store, url.path))
        except BaseException as error:
            raise store_error(error, url) from None

    def list_folder(self, url: StoreUrl) -> tuple[list[str], list[ListedObject]]:
        """Return the names of the folders in a folder, and its objects; none if it does not exist.

        Raises
        ------
        CacheError
            If it cannot be listed.
        """
        from obstore import list_with_delimiter

        try:
            found = list_with_delimiter(self.store, url.path or None)
        except FileNotFoundError as error:
            if self._root.is_web:
                return [], []
            raise store_error(error, url) from None
        except BaseException as error:
            raise self._listing_error(error, url) from None
        start = len(url.path) + 1 if url.path else 0
        folders = [path[start:].strip("/") for path in found["common_prefixes"]]
        objects = [ListedObject(meta["path"][start:], object_state(meta)) for meta in found["objects"]]
        return [name for name in folders if name], [each for each in objects if each.name]

    def _listing_error(self, error: BaseException, url: StoreUrl) -> CacheError:
        is_answer = type(error).__name__ == "GenericError" and not has_cause(error)
        if self._root.is_web and is_answer and "PROPFIND" in str(error):
            return CacheError(
                "is no package, and the web server does not list folders",
                where=url,
                expected="a .tpkx or .tpk, a server with WebDAV, or a URL of s3, gs or az",
            )
        return store_error(error, url)

    def list_start(self, url: StoreUrl) -> tuple[list[str], list[ListedObject], bool]:
        """Return the first page of the listing of a folder, as `list_folder`, and whether it is the whole listing.

        Raises
        ------
        CacheError
            If it cannot be listed.
        """
        from obstore import list as list_all

        if self._root.is_web:
            return *self.list_folder(url), True
        start = len(url.path) + 1 if url.path else 0
        try:
            page = next(iter(list_all(self.store, url.path or None, chunk_size=PAGE)), [])
        except BaseException as error:
            raise store_error(error, url) from None
        found = [ListedObject(meta["path"][start:], object_state(meta)) for meta in page]
        folders = dict.fromkeys(each.name.partition("/")[0] for each in found if "/" in each.name)
        return list(folders), [each for each in found if "/" not in each.name], len(page) < PAGE


class _Changes:
    """How often an object was found to be another one than its listing says."""

    count = 0


_changes = _Changes()


def listing_period() -> int:
    """Return a number that changes when listings are to be requested again."""
    return (int(time.time() // LISTING_SECONDS) << 32) + _changes.count


def object_state(meta: Any) -> ObjectState:
    """Return the state of an object that obstore states."""
    modified: datetime = meta["last_modified"]
    # Azure's listings state tags without quotes.
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    return ObjectState(meta["size"], int(modified.timestamp() * 1e6) * 1000, zlib.crc32(tag.encode()))


def open_client(root: StoreUrl) -> ObjectClient:
    """Return the client of a bucket, a container or a host.

    Raises
    ------
    CacheError
        If the extra `cloud` is missing, settings of the environment are incomplete, or the process is the fork of one
        that had a client: it lacks the threads of obstore, and would wait for them for ever.
    """
    process, client = make_client(root)
    if process != os.getpid():
        raise CacheError(
            "a store cannot be used in a process that was forked from one that had used it",
            where=root,
            expected="the start method spawn or forkserver",
        )
    return client


@lru_cache(maxsize=64)
def make_client(root: StoreUrl) -> tuple[int, ObjectClient]:
    """Return the client, and the process in which it was made."""
    system.limit_arenas()
    return os.getpid(), ObjectClient(root)


def _open_store(root: StoreUrl) -> ObjectStore:
    try:
        from obstore import store as stores
    except ModuleNotFoundError as error:
        what = f"{error.name} is missing, which reads and writes stores"
        raise CacheError(what, where=root, expected=INSTALL) from None
    settings = store_settings(root)
    client: Any = dict(CLIENT)
    if settings.endpoint.startswith("http:"):
        client["allow_http"] = True
    if settings.headers:
        client["default_headers"] = settings.headers
    try:
        return _make_store(stores, root, settings, client)
    except BaseException as error:  # the text may show what it is about
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise settings_error(error, root) from None


def _make_store(stores: Any, root: StoreUrl, settings: StoreSettings, client: Any) -> ObjectStore:
    options: dict[str, Any] = {"client_options": client, "retry_config": RETRY}
    store: ObjectStore
    if root.is_web:
        store = stores.HTTPStore.from_url(settings.endpoint, **options)
        return store
    kind = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}[root.scheme]
    if settings.credentials is not None:
        options["credential_provider"] = settings.credentials
    store = kind(root.authority, config=settings.config, **options)
    return store
