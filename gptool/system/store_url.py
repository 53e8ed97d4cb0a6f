"""Locations: paths of files, and URLs of objects in stores, whose text hides what must not be shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard
from urllib.parse import quote, unquote, urlsplit

SCHEMES = ("s3", "gs", "az", "https", "http")
"""The stores that can be named, by the schemes of their URLs."""

LOCATIONS = "the path of a file or folder, or a URL that begins with s3://, gs://, az:// or https://"
"""Where caches can be."""

WRITABLE = ("s3", "gs", "az")
"""The stores that results can be written to."""

OUTPUTS = "the path of a file or folder, or a URL that begins with s3://, gs:// or az://"
"""Where results can be."""

URL = re.compile(
    rf"(\b(?:[A-Za-z][A-Za-z0-9+.-]+:[\\/]{{1,2}}|(?:{'|'.join(SCHEMES)}):))(?:.*@)?([^?#]*)(?:[?#].*)?", re.DOTALL
)
"""A URL at the end of a text: its scheme, user and password, host and path, and query. A Path has lost a slash, and
slips have none."""

BUCKET = re.compile(r"[\w.$-]+", re.ASCII)
"""The names of buckets and containers: what else stands in their place, such as a user and password, is not shown."""

QUERY = re.compile(r"\?\S+=")
"""The start of a query, such as a signature; names of objects may contain question marks."""


@dataclass(frozen=True)
class StoreUrl:
    """The URL of an object, or of a folder of objects. As text it has no query, user or password: they may be secret.

    Attributes
    ----------
    scheme : str
        One of `SCHEMES`.
    authority : str
        The bucket or container, or the host and port of a web server.
    path : str
        The path in it, decoded, without slashes around it; empty for the bucket or host itself.
    query, user : str
        The query, and `user:password`, as in the URL; empty if there are none.
    """

    scheme: str
    authority: str
    path: str
    query: str = field(default="", repr=False)
    user: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The last part of the path, or else the bucket or host."""
        return self.path.rpartition("/")[2] or self.authority

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """The suffix of the name, with its dot."""
        name, dot, suffix = self.name.rpartition(".")
        return f".{suffix}" if dot and name else ""

    @property
    def parent(self) -> StoreUrl:
        """The folder that contains it."""
        return replace(self, path=self.path.rpartition("/")[0])

    @property
    def root(self) -> StoreUrl:
        """The bucket, container or host."""
        return replace(self, path="")

    @property
    def is_web(self) -> bool:
        """Whether it is on a web server, rather than in a store that has an interface of its own."""
        return self.scheme in ("https", "http")

    @property
    def text(self) -> str:
        """The URL with all its parts, also secret ones: for the store, and for other processes of this program."""
        path = quote(self.path) if self.is_web else self.path
        user, query = (f"{self.user}@" if self.user else ""), (f"?{self.query}" if self.query else "")
        return f"{self.scheme}://{user}{self.authority}/{path}{query}"

    def __truediv__(self, path: str) -> StoreUrl:
        """Return the URL of a path below this one."""
        return replace(self, path=f"{self.path}/{path}".strip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}/{self.path}"


Location = Path | StoreUrl
"""Where a cache is."""

AnyLocation = str | os.PathLike[str] | StoreUrl
"""How a location is given."""


def is_store_url(location: AnyLocation) -> TypeGuard[str | StoreUrl]:
    """Return True if a location is given as the URL of a store."""
    return isinstance(location, StoreUrl) or (isinstance(location, str) and _scheme(location) in SCHEMES)


def read_location(location: AnyLocation) -> Location:
    """Return the location that is given. Raises as `read_store_url`."""
    if isinstance(location, StoreUrl):
        return location
    return read_store_url(location) if is_store_url(location) else Path(location)


def read_store_url(location: str | StoreUrl) -> StoreUrl:
    """Return the location that is given as the URL of a store.

    Raises
    ------
    ValueError
        If it has no bucket, container or host, or is otherwise invalid. The message does not show it.
    """
    if isinstance(location, StoreUrl):
        return location
    scheme, location = _scheme(location), location.strip()
    if scheme not in ("https", "http"):  # names of objects may contain any character
        bucket, _, path = location.partition("://")[2].partition("/")
        if not BUCKET.fullmatch(bucket):
            what = "an invalid name of a bucket or container" if bucket else "no bucket or container"
            what = "keys, which are taken from the environment only" if "@" in bucket else what
            raise ValueError(f"{scheme}:// URL has {what}")
        if QUERY.search(path):
            raise ValueError(f"{scheme}:// URL has a query; signed URLs begin with https://")
        return StoreUrl(scheme, bucket, path.strip("/"))
    try:
        parts = urlsplit(location)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError(f"{scheme}:// URL has no valid host")
    user, _, host = parts.netloc.rpartition("@")
    return StoreUrl(scheme, host, unquote(parts.path).strip("/"), parts.query, user)


def absolute_location(location: Location) -> Location:
    """Return a location with an absolute path; symbolic links are kept, and URLs."""
    return location if isinstance(location, StoreUrl) else Path(os.path.abspath(location))  # noqa: PTH100


def location_text(location: Location) -> str:
    """Return a location as it is given to other processes of this program, also with what is secret."""
    return location.text if isinstance(location, StoreUrl) else str(location)


def hide_secrets(text: str) -> str:
    """Return a text that ends with a URL without its user, password and query; others as they are."""
    return URL.sub(r"\1\2", text)


def _scheme(text: str) -> str:
    scheme, separator, _ = text.strip().partition("://")
    return scheme.lower() if separator else ""
