"""What there is to say about an export, besides its figures."""

from __future__ import annotations

from collections import Counter

from gptool.crs.reference import to_wgs84
from gptool.export.report import LevelReport
from gptool.jpeg.quality_steps import Step
from gptool.jpeg.recompression import Recompression
from gptool.model import Message
from gptool.output.kind import OutputKind
from gptool.plan import Plan
from gptool.request import Request

MOST_STEPS = 5
"""Of a message; tables of other encoders may have one for each tile."""


def remark_on_request(request: Request) -> list[Message]:
    """Tell what of a request is filled in, or has no effect, whatever the cache."""
    said = []
    if request.tile_package and request.storage is None:
        said.append(Message("Informative", "storageFormatType is not given: the tile package is a .tpkx"))
    if request.optimize and request.quality is None:
        said.append(
            Message(
                "Informative",
                "optimizeTilesForSize without compressionQuality: every tile keeps its own quality, nothing is lost",
            )
        )
    if request.quality is not None and not request.optimize:
        said.append(
            Message(
                "Warning",
                f"compressionQuality {request.quality} has no effect without optimizeTilesForSize=true: tiles are "
                "copied as they are",
            )
        )
    return said


def remark_on_plan(plan: Plan, kind: OutputKind, recompression: Recompression, request: Request) -> list[Message]:
    """Tell of what is known before the work: levels without tiles, what can't be read, what is capped or guessed.

    Parameters
    ----------
    recompression : Recompression
        As it was asked for.
    request : Request
        Nobody misses tiles of a level that it does not name.
    """
    empty = [level.lod.level for level in plan.levels if not level.tiles] if request.levels else []
    warnings = [f"level {level} holds no tiles in the selection" for level in empty]
    warnings += plan.skipped
    cap = recompression.capped(plan.cache.image).quality
    if cap != recompression.quality:
        warnings.append(
            f"compressionQuality {recompression.quality} is above {cap}, the quality that the cache declares: capped "
            f"from {recompression.quality} to {cap}"
        )
    if kind.is_file and to_wgs84(plan.cache.scheme.reference) is None:
        warnings.append(
            f"the spatial reference (WKID {plan.cache.scheme.reference.wkid or 'none'}) can't be brought to degrees: "
            "the package states the whole world as its extent there"
        )
    return [*plan.notices, *(Message("Warning", text) for text in warnings)]


def remark_on_tiles(total: LevelReport, recompression: Recompression) -> list[Message]:
    """Tell of what shows during the work: tiles that a quality does not touch, damaged ones."""
    said = remark_on_quality(total, recompression)
    if total.tiles_damaged:
        text = f"{total.tiles_damaged} tiles are damaged or empty: they are listed with the result"
        said.append(Message("Warning", text))
    return said


def remark_on_quality(total: LevelReport, recompression: Recompression, tiles: str = "tiles") -> list[Message]:
    """Tell of JPEG tiles that a quality does not touch: it is above their own, or too little below.

    Parameters
    ----------
    tiles : str
        What to call them.
    """
    said = []
    if total.capped:
        low, high = min(total.capped), max(total.capped)
        own = str(low) if low == high else f"{low} to {high}"
        text = (
            f"compressionQuality {recompression.quality} is above the own quality of {total.capped.total()} {tiles}: "
            f"capped there from {recompression.quality} to {own}, those tiles are as they were"
        )
        said.append(Message("Warning", text))
    if total.unchanged:
        text = f"compressionQuality {recompression.quality} changes {_none_of(total.unchanged, tiles)}"
        said.append(Message("Informative" if total.tiles_recompressed else "Warning", text))
    return said


def _none_of(unchanged: Counter[Step], tiles: str) -> str:
    """List tiles that were kept though they are of a higher quality, most first."""
    most = sorted(unchanged, key=lambda step: (-unchanged[step], step.quality, step.lowest or 0))
    parts = [
        f"none of {unchanged[step]} {tiles} of quality {step.quality}{_keeping(step)}" for step in most[:MOST_STEPS]
    ]
    if others := sum(unchanged[step] for step in most[MOST_STEPS:]):
        parts.append(f"none of {others} others")
    return ", ".join(parts)


def _keeping(step: Step) -> str:
    """Tell which requests keep a tile as it is, and the next that does not, as far as that is known."""
    if step.lowest is None:
        return ""
    if step.lowest == 1:
        return " (no lower one does)"
    highest = step.quality - 1
    span = f"{highest} keeps" if step.lowest == highest else f"{step.lowest} to {highest} keep"
    return f" ({span} them as they are, {step.lowest - 1} is the next lower that does not)"
