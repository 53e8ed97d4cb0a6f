"""Notices: messages about a request, a plan and its tiles, besides the figures."""

from __future__ import annotations

from collections import Counter

from gptool.crs.reference import wgs84_transformer
from gptool.export.report import LevelReport
from gptool.jpeg.quality_steps import QualityStep
from gptool.jpeg.recompression import Recompression
from gptool.model import Message
from gptool.output.kind import OutputKind
from gptool.plan import Plan
from gptool.request import Request
from gptool.text import format_count

MAX_STEPS = 5
"""Quality steps that a message lists: the tables of other encoders may differ from tile to tile."""


def request_notices(request: Request) -> list[Message]:
    """Return notices about parameters of a request that get a default or have no effect, whatever the cache."""
    notices = []
    if request.tile_package and request.storage is None:
        notices.append(Message("Informative", "storageFormatType is not given: the tile package is a .tpkx"))
    if request.optimize and request.quality is None:
        notices.append(
            Message(
                "Informative",
                "optimizeTilesForSize is set without compressionQuality: every tile keeps its quality",
            )
        )
    if request.quality is not None and not request.optimize:
        notices.append(
            Message(
                "Warning",
                f"compressionQuality {request.quality} has no effect without optimizeTilesForSize=true: tiles are "
                "copied as they are",
            )
        )
    return notices


def plan_notices(plan: Plan, kind: OutputKind, recompression: Recompression, request: Request) -> list[Message]:
    """Return notices that are known before the work.

    They concern requested levels without tiles, bundles and folders that are skipped, a capped quality, and an extent
    that cannot be stated in degrees.
    """
    empty = [level.lod.level for level in plan.levels if not level.tiles] if request.levels else []
    warnings = [f"level {level} holds no selected tiles" for level in empty]
    warnings += plan.skipped
    requested, cap = recompression.requested_quality, recompression.quality
    if cap != requested:
        warnings.append(f"compressionQuality {requested} is capped at {cap}, the quality that the cache declares")
    if kind.is_file and wgs84_transformer(plan.cache.scheme.reference) is None:
        warnings.append(
            f"the extent cannot be transformed from the spatial reference (WKID "
            f"{plan.cache.scheme.reference.wkid or 'none'}) to degrees: the package states the whole world instead"
        )
    return [*plan.notices, *(Message("Warning", text) for text in warnings)]


def tile_notices(total: LevelReport, recompression: Recompression) -> list[Message]:
    """Return notices that are known after the work: tiles that the request does not change, and damaged tiles."""
    notices = quality_notices(total, recompression)
    if total.tiles_damaged:
        count = format_count(total.tiles_damaged, "tile")
        notices.append(Message("Warning", f"damaged or empty: {count}, listed with the result"))
    return notices


def quality_notices(total: LevelReport, recompression: Recompression, noun: str = "tile") -> list[Message]:
    """Return notices about JPEG tiles that the request does not change: it is above their quality or too little below.

    Parameters
    ----------
    noun : str
        What the messages call a tile.
    """
    notices = []
    if total.capped:
        low, high = min(total.capped), max(total.capped)
        own = str(low) if low == high else f"{low} to {high}"
        count = format_count(total.capped.total(), noun)
        text = f"compressionQuality {recompression.quality} is above the quality ({own}) of {count}, kept as they are"
        notices.append(Message("Warning", text))
    if total.unchanged:
        text = f"compressionQuality {recompression.quality} does not change {_unchanged_tiles(total.unchanged, noun)}"
        notices.append(Message("Informative" if total.tiles_recompressed else "Warning", text))
    return notices


def _unchanged_tiles(unchanged: Counter[QualityStep], noun: str) -> str:
    """Return a list of the tiles that were kept although their quality is above the request, most frequent first."""
    steps = sorted(unchanged, key=lambda step: (-unchanged[step], step.quality, step.lowest or 0))
    parts = [
        f"{format_count(unchanged[step], noun)} of quality {step.quality}{_step_range(step)}"
        for step in steps[:MAX_STEPS]
    ]
    if others := sum(unchanged[step] for step in steps[MAX_STEPS:]):
        parts.append(f"{format_count(others, 'other')}")
    return ", ".join(parts)


def _step_range(step: QualityStep) -> str:
    """Return which requests keep a tile as it is, and the next lower one that does not, as far as that is known."""
    if step.lowest is None:
        return ""
    if step.lowest == 1:
        return " (nor does any lower request)"
    highest = step.quality - 1
    span = f"request {highest}" if step.lowest == highest else f"requests {step.lowest} to {highest}"
    return f" ({span} would not; {step.lowest - 1} would)"
