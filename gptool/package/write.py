"""Putting a result together from its bundles and metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

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


def write_result(path: Path, kind: Kind, facts: Facts, bundles: Iterable[StagedBundle]) -> int:
    """Write a result and return its bytes.

    Parameters
    ----------
    path : Path
        Where. A package's must not exist; a dataset's is the folder that has its bundles already.
    bundles : iterable of StagedBundle
        In any order; a package has them by level, row and column. Each staged file is removed once a package has it,
        so that the disk holds its bytes once.

    Raises
    ------
    ConfError
        When the metadata can't state what they must.
    OSError
        When the result can't be written.
    """
    ordered = sorted(bundles)
    metadata = kind.metadata_with_guid(facts, ordered)
    if kind.is_package:
        _write_package(path, kind, metadata, ordered)
        return path.stat().st_size
    for name, data in metadata.items():
        (path / name).write_bytes(data)
    return sum(map(len, metadata.values())) + sum(file.size for bundle in ordered for file in bundle.files)


def _write_package(path: Path, kind: Kind, metadata: dict[str, bytes], bundles: list[StagedBundle]) -> None:
    with path.open("xb") as file:
        package = StoredZip(file)
        for name, data in metadata.items():
            package.add_bytes(name, data)
        for name, staged, size, crc32 in (part for bundle in bundles for part in bundle.files):
            package.add_file(f"{kind.tiles}/{name}", staged, size, crc32)
            staged.unlink()
        package.close()


def result_size(kind: Kind, facts: Facts, bundles: Iterable[BundlePlan]) -> int:
    """Return the bytes of the result that `write_result` would write with bundles of these tiles and tile bytes.

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
