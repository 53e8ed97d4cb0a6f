"""Objects of stores, by obstore: their upload, which makes them appear complete or not at all, and their removal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from gptool.cache.object_client import open_client
from gptool.cache.object_errors import cut_error, not_implemented, write_error
from gptool.cache.object_source import read_object
from gptool.errors import CacheError, OutputError
from gptool.system.store_url import StoreUrl

PART_BYTES = 8 * 1024 * 1024
"""Bytes of a part of an upload. A smaller file is sent by one request."""

MAX_PARTS = 10_000
"""Parts of an upload that stores accept; those of larger files have more bytes."""

MEGABYTE = 1 << 20

MAX_PUTS = 3
"""Requests for an object that must be new, if their connections are cut: obstore repeats only those that may replace
one."""


class StoredObject(NamedTuple):
    """An object in a store: its size, bytes, and its entity tag, which may be empty."""

    size: int
    tag: str


class ObjectExistsError(Exception):
    """Raised if there is an object where a new one is to be created."""


def list_objects(url: StoreUrl) -> dict[str, StoredObject]:
    """Return all objects below a folder, by their paths in it.

    Raises
    ------
    OutputError
        If it cannot be listed, such as in a bucket that does not exist.
    """
    found = {}
    with _write_errors(url):
        store = open_client(url.root).store
        from obstore import list as list_all  # after the error if it is missing

        for page in list_all(store, url.path):
            for meta in page:
                # What is created with the name of a folder in a store's console is no object in it.
                if name := meta["path"][len(url.path) + 1 :]:
                    found[name] = _stored(meta)
    return found


def find_object(url: StoreUrl) -> StoredObject | None:
    """Return the object of a URL; None if there is none. Raises OutputError if that cannot be queried."""
    with _write_errors(url):
        store = open_client(url.root).store
        from obstore import head  # after the error if it is missing

        try:
            return _stored(head(store, url.path))
        except FileNotFoundError:
            return None


def _stored(meta: Any) -> StoredObject:
    return StoredObject(meta["size"], (meta["e_tag"] or "").strip('"'))


def delete_objects(url: StoreUrl, names: Sequence[str]) -> None:
    """Delete objects below a folder, by their paths in it; those that do not exist are no error.

    Raises
    ------
    OutputError
        If they cannot be deleted.
    """
    from obstore import delete

    if names:
        # Azure answers that an object does not exist, if another run has deleted it since it was listed.
        with _write_errors(url), suppress(FileNotFoundError):
            delete(open_client(url.root).store, [(url / name).path for name in names])


def upload_file(
    path: Path, url: StoreUrl, parts: int, advance: Callable[[int], None], check: Callable[[], None]
) -> None:
    """Upload a file by parts; the object appears when all are there, in the place of one that exists.

    Parameters
    ----------
    path : Path
    url : StoreUrl
    parts : int
        The number of parts that are in flight at once.
    advance : callable
        Called with the bytes of each part that is sent. An exception that it raises ends the upload.
    check : callable
        Called just before the object appears, as `advance`.

    Raises
    ------
    OutputError
        If the object cannot be written. No part of it stays in the store if that can be reached.
    OSError
        If the file cannot be read.
    """
    from obstore import open_writer

    size = part_bytes(path.stat().st_size)
    with _write_errors(url):
        writer = open_writer(open_client(url.root).store, url.path, buffer_size=size, max_concurrency=parts)
    try:
        for data in _read_parts(path, size):
            with _write_errors(url):
                writer.write(data)
            advance(len(data))
        check()
    except BaseException as error:
        with suppress(Exception):  # the store may have become unreachable, which is the first error then
            writer.__exit__(type(error), error, None)
        raise
    with _write_errors(url):
        writer.close()


def create_object(url: StoreUrl, data: bytes) -> None:
    """Create an object, by a request that the store rejects if there is one.

    Stores that do not know such requests replace it.

    Raises
    ------
    ObjectExistsError
        If there is one with other bytes.
    OutputError
        If it cannot be written.
    """
    from obstore import get, put
    from obstore.exceptions import AlreadyExistsError

    store = open_client(url.root).store
    with _write_errors(url):
        for attempt in range(MAX_PUTS):
            try:
                put(store, url.path, data, mode="create")
            except AlreadyExistsError:
                # Perhaps by an earlier request, whose answer was lost.
                found = get(store, url.path)
                if found.meta["size"] != len(data) or bytes(found.bytes()) != data:
                    raise ObjectExistsError from None
            except Exception as error:
                if not_implemented(error):
                    put(store, url.path, data)
                elif attempt + 1 < MAX_PUTS and cut_error(error):
                    continue
                else:
                    raise
            return


def part_bytes(size: int) -> int:
    """Return the bytes of each part, but the last, of a file of `size` bytes."""
    return max(PART_BYTES, -(-size // MAX_PARTS // MEGABYTE) * MEGABYTE)


def has_content(url: StoreUrl, found: StoredObject, path: Path) -> bool:
    """Return True if an object has the bytes of a file.

    Its entity tag tells in most stores like S3: it is the MD5 of the bytes, or of the MD5s of the parts of an upload.
    Otherwise, the object is read.

    Raises
    ------
    OutputError
        If it cannot be read.
    """
    if found.size != path.stat().st_size:
        return False
    if has_expected_tag(found, path):
        return True
    with _write_errors(url), path.open("rb") as file:
        return all(file.read(len(data)) == data.tobytes() for data in read_object(url)[1])


def has_expected_tag(found: StoredObject, path: Path) -> bool:
    """Return True if the entity tag of an object says that it has the bytes of a file."""
    size = path.stat().st_size
    if found.size != size or not found.tag:
        return False
    digests = [hashlib.md5(data, usedforsecurity=False) for data in _read_parts(path, part_bytes(size))]
    if size < PART_BYTES:
        return [found.tag] == [digest.hexdigest() for digest in digests]
    whole = hashlib.md5(b"".join(digest.digest() for digest in digests), usedforsecurity=False)
    return found.tag == f"{whole.hexdigest()}-{len(digests)}"


def _read_parts(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(size):
            yield data


@contextmanager
def _write_errors(url: StoreUrl) -> Iterator[None]:
    """Raise an OutputError in place of an error of the store."""
    try:
        yield
    except CacheError as error:
        raise OutputError(error.what, where=error.where, found=error.found, expected=error.expected) from None
    except (OutputError, ObjectExistsError):
        raise
    except BaseException as error:  # those of obstore have no base class that includes all
        raise write_error(error, url) from None
