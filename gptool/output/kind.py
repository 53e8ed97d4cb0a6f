"""The interface of a kind of result: its suffix, its storage format, what it can hold, and its writer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from gptool.cache import TileCache
from gptool.model import BundleAddress, Message, StorageFormat
from gptool.output.bundle import BundleWriter, FileRegion, WrittenBundle
from gptool.output.thumbnail import draw_thumbnail
from gptool.plan import BundlePlan, Plan


@dataclass(frozen=True)
class ResultInfo:
    """The information that a result's metadata state.

    Attributes
    ----------
    plan : Plan
        The selected tiles and their cache.
    name : str
        The name of the result, without suffix.
    quality : int
        The compression quality, 0 to 100, that the metadata state.
    thumbnail : bytes
        A PNG; empty if the kind of result has no thumbnail.
    guid : str
        The id of the item; empty until it is known.
    """

    plan: Plan
    name: str
    quality: int
    thumbnail: bytes
    guid: str = ""


class ResultWriter(ABC):
    """A result that is being written.

    Units of work write its bundles to the regions that `allocate` returns, in any order and process; then `add_bundle`
    takes the bundles in the order of their allocation, and `finish` completes the result. A context manager: leaving
    the context closes the result's files, whether it is complete or not.

    A run that was interrupted may be gone on with: then bundles that it has written are allocated again, and added from
    one of their `places`.
    """

    @cached_property
    def messages(self) -> list[Message]:
        """What users should know about the finished result."""
        return []

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the result's files."""

    @abstractmethod
    def allocate(
        self, address: BundleAddress, sizes: Sequence[int] | None, *, separate: bool
    ) -> tuple[FileRegion, ...]:
        """Return the regions that a bundle's files are to be written to.

        Parameters
        ----------
        address : BundleAddress
        sizes : sequence of int or None
            The sizes of the files in bytes, as of `bundle_files`; None if they are not known yet.
        separate : bool
            Whether the regions are to be whole files, since other machines write them.

        Raises
        ------
        OSError
            If the result cannot be written.
        """

    @abstractmethod
    def places(self, address: BundleAddress) -> tuple[tuple[FileRegion, ...], ...]:
        """Return all regions in which an earlier run may have left the files of a bundle, which is allocated."""

    @abstractmethod
    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Add a written bundle to the result.

        Raises
        ------
        ValueError
            If a file's size differs from the size that was allocated for it.
        OSError
            If the result cannot be written.
        """

    @abstractmethod
    def finish(self, info: ResultInfo) -> int:
        """Complete the result and return its size in bytes.

        Raises
        ------
        ConfError
            If the metadata cannot state a required value.
        OSError
            If the result cannot be written.
        """


@dataclass(frozen=True)
class OutputKind(ABC):
    """A kind of result.

    Attributes
    ----------
    suffix : str
        The suffix of the result's name in lower case, as in `.tpkx`; empty if the result is a folder.
    storage_format : StorageFormat or None
        The format of its bundles; None if it is no format of Esri's, and so no choice of requests.
    bundle_writer : type of BundleWriter
        With which units of work write them.
    """

    suffix: str
    storage_format: StorageFormat | None
    bundle_writer: type[BundleWriter]

    has_thumbnail: ClassVar[bool] = False
    has_exact_size: ClassVar[bool] = True
    """Whether `result_size` is exact. Else a result cannot be written for a target size."""

    @property
    def description(self) -> str:
        """A noun for messages, by default the suffix."""
        return self.suffix

    @property
    def is_file(self) -> bool:
        """Whether the result is one file rather than a folder."""
        return bool(self.suffix)

    def can_hold(self, cache: TileCache) -> bool:
        """Return True if a result of this kind can hold tiles of the cache; else `open_writer` raises ConfError."""
        return True

    def check(self, plan: Plan) -> None:  # noqa: B027 - most kinds hold every cache
        """Raise ParameterError, before any work, if a result of this kind cannot hold the tiles of a plan."""

    def warnings(self, plan: Plan) -> list[str]:
        """Return what users should know, before any work, about a result of this kind."""
        return []

    def order(self, plan: Plan, address: BundleAddress) -> tuple[int, ...]:
        """Return a key that sorts the bundles of a plan into the order of their allocation."""
        return address

    @abstractmethod
    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> ResultWriter:
        """Create a result and return its writer.

        Parameters
        ----------
        path : Path
            The file or folder to create, or to go on with: an earlier run may have left it.
        info : ResultInfo
            As far as it is known: without `guid`, and with the `quality` that is expected.
        staging : Path
            A folder for files that are moved into the result later, with those that an earlier run has left.

        Raises
        ------
        ConfError
            If the kind cannot hold tiles of the cache, or the metadata cannot state a required value.
        OSError
            If the result cannot be created.
        """

    @abstractmethod
    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        """Return the size in bytes of a result with bundles of these tiles and bytes, without writing it.

        It is the expected size if `has_exact_size` is False.

        Raises
        ------
        ConfError
            If the metadata cannot state a required value.
        """

    def size_bounds(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> tuple[int, int]:
        """Return the bounds in bytes that the size lies between. Parameters and errors as in `result_size`."""
        size = self.result_size(info, bundles)
        return size, size


def collect_result_info(kind: OutputKind, plan: Plan, name: str, quality: int) -> ResultInfo:
    """Return the information for a result's metadata, with a thumbnail if the kind has one.

    Raises
    ------
    CacheError
        If the tiles for the thumbnail cannot be read.
    """
    return ResultInfo(plan, name, quality, draw_thumbnail(plan) if kind.has_thumbnail else b"")
