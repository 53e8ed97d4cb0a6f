"""Tile packages: a zip of stored members, metadata first, then the bundles."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from gptool.output.bundle import FileRegion, WrittenBundle, bundle_files, bundle_regions
from gptool.output.kind import OutputKind, ResultInfo, ResultWriter
from gptool.output.stored_zip import StoredZip, stored_zip_size
from gptool.plan import BundlePlan


@dataclass(frozen=True)
class TilePackage(OutputKind):
    """A kind of tile package.

    Attributes
    ----------
    tiles_folder : str
        The folder of the level folders in the zip.
    """

    tiles_folder: str

    has_thumbnail = True
    needs_checksums = True

    @abstractmethod
    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the members other than bundles by name, in their order.

        Raises
        ------
        ConfError
            If they cannot state a required value.
        """

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

    Bundles of known size are written into the package itself; others are staged and copied into it.
    """

    def __init__(self, path: Path, kind: TilePackage, info: ResultInfo, staging: Path) -> None:
        self._path, self._kind, self._staging = path, kind, staging
        self._bundles: list[WrittenBundle] = []
        self._staged_tiles = staging / "tiles"
        self._staged_tiles.mkdir(parents=True)
        metadata = kind.metadata_with_guid(info, ())
        self._zip = StoredZip(path.open("xb"))
        self._reserve(metadata)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        # Closing writes buffered bytes: on a full disk it fails once more, and must not hide the first error.
        with suppress(OSError) if kind else nullcontext():
            self._zip.file.close()

    def allocate(self, bundle: BundlePlan, *, sizes_known: bool) -> tuple[FileRegion, ...]:
        """Return regions of the package itself if the sizes are known, else of staged files."""
        writer = self._kind.bundle_writer
        if not sizes_known:
            return bundle_regions(self._staged_tiles, writer, bundle.address)
        files = bundle_files(writer, bundle.address, bundle.tiles, bundle.bytes)
        starts = [self._zip.reserve(self._member(file.name), file.size) for file in files]
        return tuple(FileRegion(self._path, start) for start in starts)

    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Add a written bundle. Its staged files are removed then, so that the disk holds their bytes once."""
        self._bundles.append(bundle)
        for file in bundle.files:
            if file.region.path == self._path:
                self._zip.fill(self._member(file.name), file.size, file.crc32)
            else:
                self._zip.add_file(self._member(file.name), file.region.path, file.size, file.crc32)
                file.region.path.unlink()

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
        """Copy the bundles behind metadata of another size: the quality has more or fewer digits than was expected."""
        planned = self._zip
        planned.file.close()
        old = self._path.rename(self._staging / "planned")
        self._zip = StoredZip(self._path.open("xb"))
        self._reserve(metadata)
        for bundle in self._bundles:
            for file in bundle.files:
                name = self._member(file.name)
                self._zip.add_file(name, old, file.size, file.crc32, start=planned.data_offset(name))
        old.unlink()

    def _member(self, name: str) -> str:
        return f"{self._kind.tiles_folder}/{name}"
