"""An export whose result must not exceed a size: it is rejected as soon as it does, or if a larger result fits too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gptool.export.report import LevelReport, stated_quality
from gptool.export.unit_record import UnitResult
from gptool.jpeg.recompression import Recompression
from gptool.model import BundleAddress
from gptool.output.kind import OutputKind, ResultInfo
from gptool.plan import BundlePlan


class TrialRejectedError(Exception):
    """Raised in a trial whose result is not to be kept. It never leaves the search for a target size."""


@dataclass
class SizeCount:
    """The size of the result of one recompression, counted bundle by bundle.

    Attributes
    ----------
    bundles : list of BundlePlan
        The bundles with their bytes in the result, in its order.
    levels : dict of int to LevelReport
        The figures by level ID.
    bytes : int
        Bytes of the tiles so far.
    """

    bundles: list[BundlePlan] = field(default_factory=list)
    levels: dict[int, LevelReport] = field(default_factory=dict)
    bytes: int = 0

    def add(self, address: BundleAddress, report: LevelReport) -> None:
        """Add the figures of a bundle."""
        self.bundles.append(BundlePlan(address, report.tiles, report.bytes_written))
        self.levels.setdefault(address.level, LevelReport()).add(report)
        self.bytes += report.bytes_written

    def result_size(self, kind: OutputKind, info: ResultInfo, recompression: Recompression) -> int:
        """Return the exact size of the result, bytes, once all bundles are counted."""
        quality = stated_quality(info.plan, LevelReport.sum(self.levels.values()), recompression)
        return kind.result_size(replace(info, quality=quality), self.bundles)


class Trial:
    """An export that must not exceed a size, with other recompressions that are counted on the way.

    Parameters
    ----------
    kind : OutputKind
    info : ResultInfo
    recompression : Recompression
        That of the export.
    others : sequence of Recompression
        Those of larger results: if one of them fits, the export is rejected.
    limit : int
        Bytes.

    Attributes
    ----------
    sizes : dict of Recompression to int
        The sizes of the results, exact. That of the export is missing if it was rejected before its end, those of the
        others too.
    counts : dict of Recompression to SizeCount
        The figures that they are from.
    """

    def __init__(
        self,
        kind: OutputKind,
        info: ResultInfo,
        recompression: Recompression,
        others: Sequence[Recompression],
        limit: int,
    ) -> None:
        self.others, self.sizes = tuple(others), dict[Recompression, int]()
        self.counts = {each: SizeCount() for each in (recompression, *others)}
        self._kind, self._info, self._limit = kind, info, limit
        self._count = self.counts[recompression]
        self._recompression = recompression
        self._max_bytes = limit - overhead(kind, info)

    def add(self, result: UnitResult) -> None:
        """Add the figures of a unit of work.

        Raises
        ------
        TrialRejectedError
            If the tiles so far exceed the limit, with the headers, indexes and metadata of the whole result.
        """
        for count, report in zip(self.counts.values(), (result.report, *result.others), strict=True):
            count.add(result.bundle.address, report)
        if self._count.bytes > self._max_bytes:
            raise TrialRejectedError

    def end(self, size: int) -> None:
        """Decide over the finished result, before it appears.

        Parameters
        ----------
        size : int
            Bytes of all its files.

        Raises
        ------
        TrialRejectedError
            If it exceeds the limit, or one of the others does not.
        """
        self.sizes = {each: self.counts[each].result_size(self._kind, self._info, each) for each in self.others}
        larger_fits = any(other <= self._limit for other in self.sizes.values())
        self.sizes[self._recompression] = size
        if size > self._limit or larger_fits:
            raise TrialRejectedError


def overhead(kind: OutputKind, info: ResultInfo, quality: int = 0) -> int:
    """Return the bytes of a result besides its tiles: with the quality 0, which has one digit, the least there are."""
    bundles = (bundle._replace(bytes=0) for level in info.plan.levels for bundle in level.bundles)
    return kind.result_size(replace(info, quality=quality), bundles)
