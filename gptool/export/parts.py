"""An export that is divided into parts: what belongs to each of them, and how large it will be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from gptool.errors import ParameterError
from gptool.export.estimate import Estimate, estimate_plan
from gptool.export.report import expected_quality
from gptool.jpeg.recompression import Recompression
from gptool.model import Extent, Phase, Progress
from gptool.output.esri_json import spatial_reference_json
from gptool.output.kind import OutputKind, ResultInfo, collect_result_info
from gptool.output.manifest import Manifest, ManifestEntry
from gptool.plan import BundlePlan, LevelPlan, Plan
from gptool.plan.division import PartArea, divide, select_part
from gptool.plan.part_limits import PartLimits, PartSizes
from gptool.request import Request

SAFETY = 1.05
"""What estimates of recompressed tiles are multiplied by: a part that turns out too large has to be exported again."""

UNKNOWN_SHA256 = "0" * 64


@dataclass(frozen=True)
class PlannedPart:
    """A part that is planned.

    Attributes
    ----------
    area : PartArea
    plan : Plan
        Its tiles.
    name : str
        The name of its package, without suffix.
    size : int or None
        The exact size of the package, bytes; None if it was not needed for the limits, or is not known.
    """

    area: PartArea
    plan: Plan
    name: str
    size: int | None = None

    @property
    def key(self) -> str:
        """What tells it from a part of the same name that turned out too large, whose first part it is."""
        levels = "-".join(str(lod.level) for lod in self.area.lods)
        return f"{self.name}, levels {levels}, window {'-'.join(map(str, self.area.window))}"


@dataclass(frozen=True)
class PartsRequest:
    """What an export in parts is about.

    Attributes
    ----------
    plan : Plan
        The tiles of all parts.
    kind : OutputKind
        That of each part, a tile package.
    recompression : Recompression
    limits : PartLimits
    name : str
        The name of the whole, with which those of the parts begin.
    """

    plan: Plan
    kind: OutputKind
    recompression: Recompression
    limits: PartLimits
    name: str

    @property
    def has_exact_sizes(self) -> bool:
        """Whether sizes are known before tiles are written."""
        return not self.recompression.is_requested

    def info(self, plan: Plan, name: str) -> ResultInfo:
        """Return the information for the metadata of a part. Raises CacheError if its thumbnail cannot be drawn."""
        return collect_result_info(self.kind, plan, name, expected_quality(plan, self.recompression))


class Parts:
    """The parts of an export, in their order. The same request on the same cache has the same parts.

    Attributes
    ----------
    request : PartsRequest
    planned : tuple of PlannedPart
        Coarse levels first. Those whose tiles are copied are within the limits; others may turn out too large.

    Parameters
    ----------
    progress : Progress or None
        Called while tiles are counted, while those of a sample are recompressed, and with the tiles of the parts whose
        size is known.

    Raises
    ------
    ParameterError
        If a single tile exceeds the limits, or there are too many parts.
    CacheError
        If the cache cannot be read.
    """

    def __init__(self, request: PartsRequest, progress: Progress | None = None) -> None:
        self.request, self._progress = request, progress
        self._info = request.info(request.plan, request.name)
        self._counted = 0
        self._estimate: Estimate | None = None
        self._ratios: dict[int, float] = {}
        self._names: set[str] = set()
        if not request.has_exact_sizes and request.limits.size is not None:
            self._sample()
        sizes = self._sizes()
        areas = divide(request.plan, request.limits, sizes, progress=progress)
        self.planned = tuple(chain.from_iterable(self._fitting(request.plan, area, sizes) for area in areas))

    def divide_further(self, part: PlannedPart, needed: int) -> list[PlannedPart]:
        """Return the parts that take the place of one that turned out too large.

        Parameters
        ----------
        needed : int
            Its size, as far as it is known, bytes.

        Raises
        ------
        ParameterError
            If it has a single tile.
        """
        self._names.discard(part.name)
        return list(self._divided(part.plan, part.area, needed, self._sizes()))

    def estimate(self) -> Estimate:
        """Return the estimate of all parts, with the manifest.

        Raises
        ------
        CacheError
            If the cache cannot be read.
        """
        request = self.request
        base = self._estimate or self._sample()
        sizes = list(self._measured())
        entries = [self.entry(part, size, UNKNOWN_SHA256) for part, size in zip(self.planned, sizes, strict=True)]
        total = sum(sizes) + len(self.manifest(entries).to_bytes())
        low, high = (total + bound - base.total_size for bound in base.interval)
        return replace(
            base, total_size=total, interval=(low, high), result=self.text, name=request.name, parts=len(self.planned)
        )

    @property
    def text(self) -> str:
        """The number and kind of the parts, as in `3 parts (.tpkx)`."""
        count = len(self.planned)
        about = "" if self.request.has_exact_sizes or self.request.limits.size is None else "about "
        return f"{about}{count:,} part{'s' * (count != 1)} ({self.request.kind.suffix})"

    def entry(self, part: PlannedPart, size: int, sha256: str) -> ManifestEntry:
        """Return the entry of the manifest about a part of this size, bytes, and SHA-256."""
        levels = tuple(level.lod.level for level in part.plan.filled_levels)
        extent: Extent = part.plan.extent()
        name = f"{part.name}{self.request.kind.suffix}"
        return ManifestEntry(name, part.area.is_overview, levels, extent, part.plan.tiles, size, sha256)

    def manifest(self, entries: Iterable[ManifestEntry]) -> Manifest:
        """Return the manifest of parts with these entries."""
        request = self.request
        reference: dict[str, Any] = spatial_reference_json(request.plan.cache.scheme.reference)
        return Manifest(request.name, reference, *request.limits, tuple(entries))

    def _sample(self) -> Estimate:
        """Estimate the bytes of each level in the result."""
        request = self.request
        found = estimate_plan(request.plan, request.kind, request.recompression, request.name, self._progress)
        self._estimate = found
        self._ratios = {level.level: level.bytes_written / level.bytes_read for level in found.levels}
        return found

    def _sizes(self) -> PartSizes:
        """Return how sizes are estimated: as differences of exact ones."""
        request = self.request
        if request.limits.size is None:
            return PartSizes()
        address = request.plan.filled_levels[-1].bundles[-1].address

        def size(*bundles: BundlePlan) -> int:
            return request.kind.result_size(self._info, bundles)

        metadata, empty, one = size(), size(BundlePlan(address, 0, 0)), size(BundlePlan(address, 1, 0))
        ratios = {level: min(SAFETY * ratio, 1.0) for level, ratio in self._ratios.items()}
        return PartSizes(metadata, empty - metadata, one - empty, ratios)

    def _fitting(self, plan: Plan, area: PartArea, sizes: PartSizes) -> Iterator[PlannedPart]:
        """Yield the part of an area, or those that it is divided into since its size exceeds the limits."""
        request, limits = self.request, self.request.limits
        own = select_part(plan, area)
        name = self._unique_name(area)
        needs_size = limits.size is not None and request.has_exact_sizes
        size = self._size(own, name) if needs_size else 0
        if own.tiles > (limits.tiles or math.inf) or size > (limits.size or math.inf):
            self._names.discard(name)
            yield from self._divided(own, area, size, sizes)
            return
        self._counted += own.tiles
        if needs_size:
            self._report_measured(self._counted)
        elif self._progress:
            self._progress(Phase.COUNTING, self._counted, 0)
        yield PlannedPart(area, own, name, size if needs_size else None)

    def _divided(self, plan: Plan, area: PartArea, needed: int, sizes: PartSizes) -> Iterator[PlannedPart]:
        limits = self.request.limits
        if plan.tiles == 1:
            raise _too_large_error(plan, limits, needed)
        if needed > (limits.size or math.inf):
            sizes = sizes.corrected(plan.levels, needed)
        for part in divide(plan, limits, sizes, has_overview=area.is_overview, progress=self._progress):
            yield from self._fitting(plan, part, sizes)

    def _measured(self) -> Iterator[int]:
        """Yield the sizes of the parts, bytes; see `_size`."""
        measured = 0
        for part in self.planned:
            yield self._size(part.plan, part.name) if part.size is None else part.size
            measured += part.plan.tiles
            self._report_measured(measured)

    def _report_measured(self, tiles: int) -> None:
        """Report the tiles of the parts that are measured: the thumbnail of each takes some time to draw."""
        if self._progress:
            total = self.request.plan.tiles
            self._progress(Phase.ESTIMATING, min(tiles, total), total)  # parts may share tiles

    def _size(self, plan: Plan, name: str) -> int:
        """Return the size of a part, bytes: exact if its tiles are copied, else estimated."""
        is_exact = self.request.has_exact_sizes
        info = self.request.info(plan, name) if is_exact else replace(self._info, plan=plan, name=name)
        return self.request.kind.result_size(info, chain.from_iterable(map(self._written, plan.levels)))

    def _written(self, level: LevelPlan) -> Iterator[BundlePlan]:
        ratio = self._ratios.get(level.lod.level, 1.0)
        return (bundle._replace(bytes=round(bundle.bytes * ratio)) for bundle in level.bundles)

    def _unique_name(self, area: PartArea) -> str:
        """Return the name of the part of an area, without suffix."""
        base = name = f"{self.request.name}-{area.label}"
        number = 1
        while name in self._names:
            number += 1
            name = f"{base}-{number}"
        self._names.add(name)
        return name


def part_limits(request: Request, limit: int | None) -> PartLimits | None:
    """Return the limits of the parts that a request asks for; None if it asks for no parts.

    Parameters
    ----------
    limit : int or None
        The maximum number of tiles of an export, which is that of each part then.
    """
    if not request.has_parts:
        return None
    counts = [count for count in (request.max_part_tiles, limit) if count is not None]
    return PartLimits(min(counts, default=None), request.max_part_size)


def check_parts_kind(request: Request, kind: OutputKind) -> None:
    """Check that parts are tile packages.

    Raises
    ------
    ParameterError
        If they would be datasets.
    """
    if not kind.is_file:
        raise ParameterError(
            "parts are tile packages",
            where="maxPartTiles" if request.max_part_size is None else "maxPartSize",
            found="tilePackage=false",
            expected="tilePackage=true",
        )


def _too_large_error(plan: Plan, limits: PartLimits, size: int) -> ParameterError:
    """Return the error for a part with a single tile that exceeds the limit."""
    [(lod, window)] = [(level.lod, level.window) for level in plan.filled_levels]
    assert window is not None, "the level has a tile"
    return ParameterError(
        f"the tile of level {lod.level}, row {window.row_min}, column {window.column_min} does not fit into a part",
        where="maxPartSize",
        found=f"{limits.size:,} bytes",
        expected=f"at least {size:,} bytes, the size of a part with this tile alone",
    )
