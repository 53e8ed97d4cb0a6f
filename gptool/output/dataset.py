"""Cache raster datasets: a folder with conf.xml, conf.cdi and the bundles in `_alllayers`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from gptool.crs.reference import describe_reference, to_crs
from gptool.model import BundleAddress, StorageFormat
from gptool.output.bundle import (
    CompactV1Writer,
    CompactV2Writer,
    FileRegion,
    WrittenBundle,
    bundle_files,
    bundle_regions,
)
from gptool.output.conf_xml import conf_cdi, conf_xml
from gptool.output.kind import OutputKind, ResultInfo, ResultWriter
from gptool.plan import BundlePlan, Plan

TILES_FOLDER = "_alllayers"


@dataclass(frozen=True)
class Dataset(OutputKind):
    """A cache raster dataset of one storage format."""

    storage_format: StorageFormat

    @property
    def description(self) -> str:
        """A noun for messages."""
        return "cache raster dataset"

    def warnings(self, plan: Plan) -> list[str]:
        """Return a warning if the spatial reference is stated, but not known."""
        reference = plan.cache.scheme.reference
        if not (reference.wkid or reference.wkt) or to_crs(reference) is not None:
            return []
        stated = describe_reference(reference)
        return [f"the spatial reference ({stated}) is not known: clients may not know where the tiles are"]

    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> DatasetWriter:
        """Create a dataset; see `OutputKind.open_writer`."""
        return DatasetWriter(path, self, info)

    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        """Return the size of the files of a dataset; see `OutputKind.result_size`."""
        size = sum(map(len, self.metadata(info).values()))
        for bundle in bundles:
            files = bundle_files(self.bundle_writer, bundle.address, bundle.tiles, bundle.bytes)
            size += sum(file.size for file in files)
        return size

    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the metadata files by name."""
        return {"conf.xml": conf_xml(self.storage_format, info), "conf.cdi": conf_cdi(info.plan)}


COMPACT_DATASET = Dataset("", StorageFormat.COMPACT, CompactV1Writer)
COMPACT_V2_DATASET = Dataset("", StorageFormat.COMPACT_V2, CompactV2Writer)


class DatasetWriter(ResultWriter):
    """A cache raster dataset that is being written: bundles are files of its folder from the start."""

    def __init__(self, path: Path, kind: Dataset, info: ResultInfo) -> None:
        self._path, self._kind = path, kind
        self._bundle_bytes = 0
        self._tiles = path / TILES_FOLDER
        self._tiles.mkdir(parents=True, exist_ok=True)
        kind.metadata(info)  # raises before any work if the metadata cannot be built

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Do nothing: no file is open."""

    def allocate(
        self, address: BundleAddress, sizes: Sequence[int] | None, *, separate: bool
    ) -> tuple[FileRegion, ...]:
        """Return a region for each of the bundle's files, in the dataset's own folder."""
        return bundle_regions(self._tiles, self._kind.bundle_writer, address)

    def places(self, address: BundleAddress) -> tuple[tuple[FileRegion, ...], ...]:
        """Return the only place of a bundle's files."""
        return (bundle_regions(self._tiles, self._kind.bundle_writer, address),)

    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Add the sizes of a written bundle."""
        self._bundle_bytes += sum(file.size for file in bundle.files)

    def finish(self, info: ResultInfo) -> int:
        """Write the metadata and return the size of all files."""
        metadata = self._kind.metadata(info)
        for name, data in metadata.items():
            (self._path / name).write_bytes(data)
        return sum(map(len, metadata.values())) + self._bundle_bytes
