"""Tile packages: a zip of stored members, metadata first, then the bundles."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from gptool import system
from gptool.crs.reference import describe_reference, wgs84_transformer
from gptool.model import BundleAddress, StorageFormat
from gptool.output.bundle import FileRegion, WrittenBundle, bundle_files, bundle_regions
from gptool.output.kind import OutputKind, ResultInfo, ResultWriter
from gptool.output.stored_zip import StoredZip, stored_zip_size
from gptool.plan import BundlePlan, Plan


@dataclass(frozen=True)
class TilePackage(OutputKind):
    """A kind of tile package.

    Attributes
    ----------
    tiles_folder : str
        The folder of the level folders in the zip.
    """

    storage_format: StorageFormat
    tiles_folder: str

    has_thumbnail = True

    @abstractmethod
    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the members other than bundles by name, in their order.

        Raises
        ------
        ConfError
            If they cannot state a required value.
        """

    def warnings(self, plan: Plan) -> list[str]:
        """Return a warning if the extent cannot be stated in degrees."""
        reference = plan.cache.scheme.reference
        if wgs84_transformer(reference) is not None:
            return []
        stated = describe_reference(reference)
        return [
            f"the extent cannot be transformed from the spatial reference ({stated}) to degrees: the package states "
            "the whole world instead"
        ]

    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> TilePackageWriter:
        """Create a package; see `OutputKind.open_writer`."""
        return TilePackageWriter(path, self, info, staging)

    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        """Return the size of a package; see `OutputKind.result_size`."""
        members = [(name, len(data)) for name, data in self.metadata_with_guid(info, ()).items()]
        for bundle in bundles:
            files = bundle_files(self.bundle_writer, bundle.address, bundle.tiles, bundle.bytes)
            members += [(f"{self.tiles_folder}/{file.name}", file.size) for file in files]
        return stored_zip_size(members)

    def metadata_with_guid(self, info: ResultInfo, bundles: Iterable[WrittenBundle]) -> dict[str, bytes]:
        """Return the metadata with an id that is a digest of the content: equal content has an equal id.

        Raises
        ------
        ConfError
            If the metadata cannot state a required value.
        """
        digest = hashlib.sha256()
        for path, data in self.metadata(info).items():
            digest.update(f"{path} {len(data)}\n".encode() + data)
        for bundle in bundles:
            for file in bundle.files:
                digest.update(f"{file.name} {file.size} {file.crc32}\n".encode())
        text = digest.hexdigest()[:32].upper()
        guid = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        return self.metadata(replace(info, guid=guid))


class TilePackageWriter(ResultWriter):
    """A tile package that is being written.

    Bundles of known size have their place in the package itself, in their order; others are staged and appended to it.
    """

    def __init__(self, path: Path, kind: TilePackage, info: ResultInfo, staging: Path) -> None:
        self._path, self._kind = path, kind
        self._bundles: list[WrittenBundle] = []
        self._staged_tiles = staging / "tiles"
        self._staged_tiles.mkdir(parents=True, exist_ok=True)
        self._planned = staging / "planned"
        metadata = kind.metadata_with_guid(info, ())
        if self._planned.exists():  # an earlier run was interrupted in `finish`
            system.replace(self._planned, path)
        self._zip = StoredZip(path.open("r+b" if path.exists() else "xb"))
        self._reserve(metadata)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        # Closing writes buffered bytes: on a full disk it fails once more, and must not hide the first error.
        with suppress(OSError) if kind else nullcontext():
            self._zip.file.close()

    def allocate(
        self, address: BundleAddress, sizes: Sequence[int] | None, *, separate: bool
    ) -> tuple[FileRegion, ...]:
        """Return regions of the package itself if the sizes are known, else, or if `separate`, of staged files."""
        if sizes is not None:
            files = bundle_files(self._kind.bundle_writer, address, 0, 0)
            starts = [self._zip.reserve(self._member(file.name), size) for file, size in zip(files, sizes, strict=True)]
            if not separate:
                return tuple(FileRegion(self._path, start) for start in starts)
        return self._staged_regions(address)

    def places(self, address: BundleAddress) -> tuple[tuple[FileRegion, ...], ...]:
        """Return the staged files of a bundle, and its place in the package if it has one."""
        staged = self._staged_regions(address)
        names = [self._member(file.name) for file in bundle_files(self._kind.bundle_writer, address, 0, 0)]
        if names[0] not in self._zip:
            return (staged,)
        return staged, tuple(FileRegion(self._path, self._zip.data_offset(name)) for name in names)

    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Add a written bundle. Its staged files are removed then, so that the disk holds their bytes once."""
        self._bundles.append(bundle)
        for file in bundle.files:
            name, staged = self._member(file.name), file.region.path
            if staged == self._path:
                self._zip.fill(name, file.size, file.crc32)
                continue
            add = self._zip.fill_file if name in self._zip else self._zip.add_file
            add(name, staged, file.size, file.crc32)
            staged.unlink()

    def finish(self, info: ResultInfo) -> int:
        """Fill in the metadata, write the central directory and return the size of the package."""
        metadata = self._kind.metadata_with_guid(info, self._bundles)
        if any(len(data) != self._zip.size(name) for name, data in metadata.items()):
            self._rewrite(metadata)
        for name, data in metadata.items():
            self._zip.fill_bytes(name, data)
        self._zip.finish()
        return self._path.stat().st_size

    def _reserve(self, metadata: dict[str, bytes]) -> None:
        for name, data in metadata.items():
            self._zip.reserve(name, len(data))

    def _rewrite(self, metadata: dict[str, bytes]) -> None:
        """Copy the bundles behind metadata of another size: the quality has more or fewer digits than was expected.

        The package as it was planned stays until the result is in place: the next run needs it if this one is killed.
        """
        planned = self._zip
        planned.file.close()
        system.replace(self._path, self._planned)
        self._zip = StoredZip(self._path.open("xb"))
        self._reserve(metadata)
        for bundle in self._bundles:
            for file in bundle.files:
                name = self._member(file.name)
                self._zip.add_file(name, self._planned, file.size, file.crc32, start=planned.data_offset(name))

    def _staged_regions(self, address: BundleAddress) -> tuple[FileRegion, ...]:
        return bundle_regions(self._staged_tiles, self._kind.bundle_writer, address)

    def _member(self, name: str) -> str:
        return f"{self._kind.tiles_folder}/{name}"
