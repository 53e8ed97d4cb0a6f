"""Notices: messages about a request, a plan and its tiles, besides the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gptool._jpeg import Outcome
from gptool.export.report import LevelReport, TakenOver
from gptool.jpeg.quality_steps import QualityStep
from gptool.jpeg.recompression import Recompression
from gptool.model import Lod, Message, TilingScheme
from gptool.output.kind import OutputKind
from gptool.plan import Plan
from gptool.request import Request
from gptool.text import format_bytes, format_count

MAX_STEPS = 5
"""Quality steps that a message lists: the tables of other encoders may differ from tile to tile."""


def request_notices(request: Request) -> list[Message]:
    """Return notices about parameters of a request that get a default or have no effect, whatever the cache."""
    notices = []
    if request.tile_package and request.storage is None:
        notices.append(Message("Informative", "storageFormatType is not given: the tile package is a .tpkx"))
    if request.optimize and request.quality is None and request.target_size is None:
        notices.append(
            Message(
                "Informative",
                "optimizeTilesForSize is set without compressionQuality: JPEG tiles are optimised without loss, every "
                "tile keeps its quality",
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

    They concern requested levels without tiles, bundles and folders that are skipped, a quality above the one that the
    cache declares, tables without a quality, and what the kind of result holds otherwise than the cache.
    """
    empty = [level.lod.level for level in plan.levels if not level.tiles] if request.levels else []
    warnings = [f"level {level} holds no selected tiles" for level in empty]
    warnings += plan.skipped
    requested, declared = recompression.quality, recompression.declared_quality
    if requested is not None and declared is not None and requested > declared:
        warnings.append(
            f"compressionQuality {requested} is above {declared}, the quality that the cache declares: only tiles "
            f"whose own quality is above {requested} are recompressed"
        )
    if request.tables == "exact" and requested is None and request.target_size is None:
        warnings.append("tables exact has no effect without a compressionQuality: no tile is recompressed")
    warnings += kind.warnings(plan)
    return [*plan.notices, *(Message("Warning", text) for text in warnings)]


def resumption_notices(
    taken_over: TakenOver, found: int, parts: int = 0, *, is_in_place: bool = False
) -> list[Message]:
    """Return notices about a run that was interrupted, and is gone on with.

    Parameters
    ----------
    taken_over : TakenOver
    found : int
        The bundles that it had finished, whether they were taken over or not.
    parts : int
        The parts that it had finished, whose bundles are not counted.
    is_in_place : bool
        Whether it had put the result in its place.
    """
    if is_in_place:
        text = "An earlier run of this export had put the result in its place: nothing was left to do"
        return [Message("Informative", text)]
    notices = []
    finished = [format_count(parts, "part")] * (parts > 0)
    if taken_over.bundles:
        finished.append(f"{format_count(taken_over.bundles, 'bundle')} with {format_count(taken_over.tiles, 'tile')}")
    if finished:
        text = f"Resumed an interrupted run of this export: {' and '.join(finished)} had been finished"
        notices.append(Message("Informative", text))
    if found > taken_over.bundles:
        bundles = format_count(found - taken_over.bundles, "bundle")
        text = f"{bundles} of an interrupted run had to be exported again: the cache or the staged files had changed"
        notices.append(Message("Warning", text))
    return notices


def tile_notices(total: LevelReport, recompression: Recompression, *, is_chosen: bool = False) -> list[Message]:
    """Return notices that are known after the work: what became of JPEG tiles, and damaged tiles.

    Parameters
    ----------
    is_chosen : bool
        True if the quality was not requested, but chosen for a target size: that tiles keep theirs is no surprise then.
    """
    notices = [] if is_chosen else quality_notices(total, recompression)
    if total.tiles_damaged:
        count = format_count(total.tiles_damaged, "tile")
        notices.append(Message("Warning", f"damaged or empty: {count}, listed with the result"))
    return notices


def recompression_notices(scheme: TilingScheme, levels: Mapping[int, LevelReport]) -> list[Message]:
    """Return a notice of what recompression has done: tiles, bytes before and after, the quality of each level.

    Parameters
    ----------
    scheme : TilingScheme
    levels : mapping of int to LevelReport
        By level ID, coarsest first.
    """
    total = LevelReport.sum(levels.values())
    if not total.tiles_recompressed:
        return []
    lods: dict[int | None, list[Lod]] = {}
    for lod in scheme.lods:
        if lod.level in levels and levels[lod.level].tiles_recompressed:
            lods.setdefault(levels[lod.level].effective_quality, []).append(lod)
    qualities = "; ".join(
        f"quality {quality} at {'level' if len(found) == 1 else 'levels'} {', '.join(scheme.level_ranges(found))}"
        for quality, found in lods.items()
    )
    count = format_count(total.tiles_recompressed, "tile")
    sizes = f"all tiles from {format_bytes(total.bytes_read)} to {format_bytes(total.bytes_written)}"
    return [Message("Informative", f"recompressed {count}, {sizes}; most tiles now have {qualities}")]


def quality_notices(total: LevelReport, recompression: Recompression, noun: str = "tile") -> list[Message]:
    """Return notices about what the request means for JPEG and PNG tiles.

    They concern tiles that keep their quality since the request is above it or too little below, tiles whose quality is
    an estimate, and what lossless optimisation has saved.

    Parameters
    ----------
    noun : str
        What the messages call a tile.
    """
    notices = []
    if recompression.changes_jpeg and total.tiles:
        notices += _jpeg_notices(total, recompression, noun)
    if recompression.optimize_png and total.tiles:
        notices.append(_png_notice(total, noun))
    return notices


def _jpeg_notices(total: LevelReport, recompression: Recompression, noun: str) -> list[Message]:
    if total.outcomes[Outcome.KEPT_NOT_JPEG] + total.outcomes[Outcome.DAMAGED] + total.pngs == total.tiles:
        return [Message("Warning", f"{_request_text(recompression)} has no effect: no {noun} is a valid JPEG")]
    notices = _kept_notices(total, recompression, noun)
    if total.tiles_with_foreign_tables and recompression.quality is not None:
        notices.append(Message("Informative", _foreign_tiles(total.tiles_with_foreign_tables, recompression, noun)))
    if total.tiles_optimised > total.pngs_optimised:
        notices.append(Message("Informative", _optimised_tiles(total, recompression, noun)))
    elif recompression.quality is None:
        text = f"optimizeTilesForSize makes no {noun} smaller without loss; a compressionQuality makes tiles smaller"
        notices.append(Message("Informative", text))
    return notices


def _png_notice(total: LevelReport, noun: str) -> Message:
    """Return what the optimisation of PNG tiles has saved."""
    if not total.pngs:
        return Message("Warning", f"optimizePng has no effect: no {noun} is a valid PNG")
    if not total.pngs_optimised:
        return Message("Informative", f"optimizePng makes no {noun} smaller without loss")
    saving = _saving(total.png_bytes_read, total.png_bytes_written)
    return Message("Informative", f"PNG optimised without loss: {format_count(total.pngs_optimised, noun)}, {saving}")


def _saving(read: int, written: int) -> str:
    return f"from {format_bytes(read)} to {format_bytes(written)} ({100 * (read - written) / read:.1f} % less)"


def _request_text(recompression: Recompression) -> str:
    quality = recompression.quality
    return "optimizeTilesForSize" if quality is None else f"compressionQuality {quality}"


def _kept_notices(total: LevelReport, recompression: Recompression, noun: str) -> list[Message]:
    """Return notices about tiles that keep their quality: the request is above it, or too little below."""
    notices = []
    if total.capped:
        low, high = min(total.capped), max(total.capped)
        own = str(low) if low == high else f"{low} to {high}"
        count = format_count(total.capped.total(), noun)
        text = f"compressionQuality {recompression.quality} is above the quality ({own}) of {count}, which "
        text += "keeps it" if total.capped.total() == 1 else "keep it"
        notices.append(Message("Warning", text))
    if total.unchanged:
        tiles = _unchanged_tiles(total.unchanged, noun)
        text = f"compressionQuality {recompression.quality} does not lower the quality of {tiles}"
        notices.append(Message("Informative" if total.tiles_recompressed else "Warning", text))
    return notices


def _unchanged_tiles(unchanged: Counter[QualityStep], noun: str) -> str:
    """Return a list of the tiles that keep their quality although the request is below it, most frequent first."""
    steps = sorted(unchanged, key=lambda step: (-unchanged[step], step.quality, step.lowest or 0))
    parts = [
        f"{format_count(unchanged[step], noun)} of quality {step.quality}{_step_range(step)}"
        for step in steps[:MAX_STEPS]
    ]
    if others := sum(unchanged[step] for step in steps[MAX_STEPS:]):
        parts.append(f"{format_count(others, 'other')}")
    return ", ".join(parts)


def _step_range(step: QualityStep) -> str:
    """Return which requests keep a tile's quality, and the next lower one that does not, as far as that is known."""
    if step.lowest is None:
        return ""
    if step.lowest == 1:
        return " (nor does any lower request)"
    highest = step.quality - 1
    span = f"request {highest}" if step.lowest == highest else f"requests {step.lowest} to {highest}"
    return f" ({span} would not; {step.lowest - 1} would)"


def _foreign_tiles(tiles: int, recompression: Recompression, noun: str) -> str:
    """Return what it means for a request that tiles have quantisation tables that are not IJG's."""
    have, their = ("has", "its") if tiles == 1 else ("have", "their")
    text = f"{format_count(tiles, noun)} {have} quantisation tables that are not IJG's: {their} quality is an estimate"
    declared = recompression.declared_quality
    if declared is None:
        return text
    return f"{text}; requests of {declared} or more, the quality that the cache declares, keep it"


def _optimised_tiles(total: LevelReport, recompression: Recompression, noun: str) -> str:
    """Return what lossless optimisation has saved of JPEG tiles, and how they become smaller still."""
    read = total.optimised_bytes_read - total.png_bytes_read
    written = total.optimised_bytes_written - total.png_bytes_written
    count = format_count(total.tiles_optimised - total.pngs_optimised, noun)
    text = f"optimised without loss: {count}, {_saving(read, written)}"
    return text if recompression.quality is not None else f"{text}; a compressionQuality makes tiles smaller still"
