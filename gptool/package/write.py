"""Putting a result together from its bundles and metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from gptool.package.bundle import bundle_files
from gptool.package.kind import Facts, Kind, StagedBundle
from gptool.package.stored_zip import StoredZip, stored_zip_size
from gptool.package.thumbnail import draw_thumbnail
from gptool.plan import BundlePlan, Plan


def gather_facts(kind: Kind, plan: Plan, name: str, quality: int) -> Facts:
    """Return what a result's metadata are made of; a picture is drawn where the result has one.

    Raises
    ------
    CacheError
        When the tiles for the picture can't be read.
    """
    return Facts(plan, name, quality, draw_thumbnail(plan) if kind.is_package else b"")


class ResultWriter:
    """A result in the making. It takes its bundles in their order, and at last the facts they have brought.

    Parameters
    ----------
    path : Path
        Where. A package's must not exist; a dataset's is the folder that gets its bundles by other ways.
    facts : Facts
        As far as they are known. A package's metadata come first in it, and are as large with all facts.

    Raises
    ------
    ConfError
        When the metadata can't state what they must.
    OSError
        When it can't be made.
    """

    def __init__(self, path: Path, kind: Kind, facts: Facts) -> None:
        self._path, self._kind = path, kind
        self._bundles: list[StagedBundle] = []
        metadata = kind.metadata_with_guid(facts, ())
        self._package = StoredZip(path.open("xb")) if kind.is_package else None
        if self._package:
            for name, data in metadata.items():
                self._package.add_bytes(name, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._package:
            self._package.file.close()

    def add(self, bundle: StagedBundle) -> None:
        """Add a bundle. Its staged files are removed once a package has them: the disk holds its bytes once.

        Raises
        ------
        OSError
            When the result can't be written.
        """
        self._bundles.append(bundle)
        if self._package:
            for name, staged, size, crc32 in bundle.files:
                self._package.add_file(f"{self._kind.tiles}/{name}", staged, size, crc32)
                staged.unlink()

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
                self._package.replace_bytes(name, data)
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
