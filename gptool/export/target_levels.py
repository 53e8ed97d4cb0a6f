"""The error if nothing fits a target size: the smallest size, and the levels that would fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gptool._jpeg import Outcome
from gptool.errors import TargetSizeError
from gptool.export.report import LevelReport
from gptool.export.trial import SizeCount
from gptool.jpeg.recompression import Recompression
from gptool.output.kind import OutputKind, ResultInfo, collect_result_info
from gptool.plan import LevelPlan
from gptool.plan.limit import levels_parameter
from gptool.text import format_bytes


def target_size_error(
    target: int, kind: OutputKind, info: ResultInfo, smallest: Recompression, count: SizeCount, *, is_exact: bool
) -> TargetSizeError:
    """Return the error for a target size below the smallest size of the result.

    Parameters
    ----------
    target : int
        Bytes.
    smallest : Recompression
        That of the smallest result.
    count : SizeCount
        Its figures.
    is_exact : bool
        False if they are estimated.
    """
    size = count.result_size(kind, info, smallest)
    text = f"{size:,} bytes" if is_exact else f"about {format_bytes(size)}"
    total = LevelReport.sum(count.levels.values())
    others = total.outcomes[Outcome.KEPT_NOT_JPEG] + total.outcomes[Outcome.DAMAGED] + total.pngs
    return TargetSizeError(
        "no compressionQuality makes the result fit"
        if others < total.tiles
        else "the result does not fit, and no tile is a valid JPEG that could be recompressed",
        (_fitting_levels(target, kind, info, smallest, count),),
        where="targetSize",
        found=f"{target:,} bytes",
        expected=f"at least {text}, the smallest possible size",
    )


def _fitting_levels(target: int, kind: OutputKind, info: ResultInfo, smallest: Recompression, count: SizeCount) -> str:
    """Return a sentence that names the levels which together fit the target."""
    plan, levels = info.plan, info.plan.filled_levels

    def fits(run: Sequence[LevelPlan]) -> bool:
        part = replace(plan, levels=tuple(run))
        numbers = {level.lod.level for level in run}
        own = SizeCount(
            [bundle for bundle in count.bundles if bundle.address.level in numbers],
            {level: report for level, report in count.levels.items() if level in numbers},
        )
        return own.result_size(kind, collect_result_info(kind, part, info.name, info.quality), smallest) <= target

    deepest, coarsest = _deepest(levels, fits), _coarsest(levels, fits)
    if not deepest:
        return "No single level fits the target size: request a smaller exportExtent or areaOfInterest."
    text = f"The deepest levels that fit at the lowest quality are {levels_parameter(plan, deepest)}"
    if deepest[0] is not levels[0] and coarsest:
        text += f", the coarsest are {levels_parameter(plan, coarsest)}"
    return f"{text}; deeper levels require a smaller exportExtent or areaOfInterest."


Fits = Callable[[Sequence[LevelPlan]], bool]


def _deepest(levels: Sequence[LevelPlan], fits: Fits) -> Sequence[LevelPlan]:
    """Return the run of levels that reaches deepest, extended upwards as far as it fits."""
    end = next((i + 1 for i in reversed(range(len(levels))) if fits(levels[i : i + 1])), 0)
    first = max(end - 1, 0)
    while first > 0 and fits(levels[first - 1 : end]):
        first -= 1
    return levels[first:end]


def _coarsest(levels: Sequence[LevelPlan], fits: Fits) -> Sequence[LevelPlan]:
    """Return the longest run of levels that starts with the coarsest."""
    end = 0
    while end < len(levels) and fits(levels[: end + 1]):
        end += 1
    return levels[:end]
