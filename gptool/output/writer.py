"""Putting a result together from its bundles and metadata."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gptool.output.bundle import Place, bundle_files, places_below
from gptool.output.kind import Facts, Kind, WrittenBundle
from gptool.output.stored_zip import StoredZip, stored_zip_size
from gptool.output.thumbnail import draw_thumbnail
from gptool.plan.plan import BundlePlan, Plan


def gather_facts(kind: Kind, plan: Plan, name: str, quality: int) -> Facts:
    """Return what a result's metadata are made of; a picture is drawn where the result has one.

    Raises
    ------
    CacheError
        When the tiles for the picture can't be read.
    """
    return Facts(plan, name, quality, draw_thumbnail(plan) if kind.is_package else b"")


class ResultWriter:
    """A result in the making. Its bundles are written to the places it gives, then added in their order.

    Parameters
    ----------
    path : Path
        Where. It must not exist.
    facts : Facts
        As far as they are known. A package's metadata come first in it, and are as large with all facts.
    staging : Path
        A folder for bundles that wait for their place in a package.

    Raises
    ------
    ConfError
        When the metadata can't state what they must.
    OSError
        When it can't be made.
    """

    def __init__(self, path: Path, kind: Kind, facts: Facts, staging: Path) -> None:
        self._path, self._kind = path, kind
        self._bundles: list[WrittenBundle] = []
        self._tiles = staging / "tiles" if kind.is_package else path / kind.tiles
        self._tiles.mkdir(parents=True)
        metadata = kind.metadata_with_guid(facts, ())
        self._package = StoredZip(path.open("xb")) if kind.is_package else None
        if self._package:
            for name, data in metadata.items():
                self._package.reserve(name, len(data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A disk that is full says so again when the last bytes are to be written.
        with suppress(OSError) if kind else nullcontext():
            if self._package:
                self._package.file.close()

    def places(self, bundle: BundlePlan, *, sizes_known: bool) -> tuple[Place, ...]:
        """Return where a bundle's files are to be written: in the package itself when its sizes are the plan's."""
        if self._package is None or not sizes_known:
            return places_below(self._tiles, self._kind.storage, bundle.address)
        files = bundle_files(self._kind.storage, bundle.address, bundle.tiles, bundle.bytes)
        return tuple(
            Place(self._path, self._package.reserve(f"{self._kind.tiles}/{file.name}", file.size)) for file in files
        )

    def add(self, bundle: WrittenBundle) -> None:
        """Add a written bundle. What waited is removed then: the disk holds its bytes once.

        Raises
        ------
        ValueError
            When it has other sizes than it was to have.
        OSError
            When the result can't be written.
        """
        self._bundles.append(bundle)
        if self._package is None:
            return
        for file in bundle.files:
            name = f"{self._kind.tiles}/{file.name}"
            if file.place.path == self._path:
                self._package.fill(name, file.size, file.crc32)
            else:
                self._package.add_file(name, file.place.path, file.size, file.crc32)
                file.place.path.unlink()

    def finish(self, facts: Facts) -> int:
        """Complete the result and return its bytes.

        Raises
        ------
        ConfError
            When the metadata can't state what they must.
        OSError
            When the result can't be written.
        """
        metadata = self._kind.metadata_with_guid(facts, self._bundles)
        if self._package:
            for name, data in metadata.items():
                self._package.fill_bytes(name, data)
            self._package.close()
            return self._path.stat().st_size
        for name, data in metadata.items():
            (self._path / name).write_bytes(data)
        return sum(map(len, metadata.values())) + sum(file.size for bundle in self._bundles for file in bundle.files)


def result_size(kind: Kind, facts: Facts, bundles: Iterable[BundlePlan]) -> int:
    """Return the bytes of the result that a `ResultWriter` would write with bundles of these tiles and tile bytes.

    Raises
    ------
    ConfError
        When the metadata can't state what they must.
    """
    members = [(name, len(data)) for name, data in kind.metadata_with_guid(facts, ()).items()]
    for bundle in bundles:
        files = bundle_files(kind.storage, bundle.address, bundle.tiles, bundle.bytes)
        members += [(f"{kind.tiles}/{file.name}", file.size) for file in files]
    return stored_zip_size(members) if kind.is_package else sum(size for _, size in members)
