"""report.json, beside a job's result: what was understood, planned and written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gptool.export import Order
from gptool.job import Job, JobProgress
from gptool.model import Extent
from gptool.package.statements import reference_json
from gptool.plan import LevelPlan, Plan
from gptool.report import ExportResult, LevelReport
from gptool.request import Request

REPORT = "report.json"
CHUNK = 4 * 1024 * 1024


def write_report(job: Job, request: Request, plan: Plan, order: Order, result: ExportResult) -> None:
    """Write report.json beside the result.

    Raises
    ------
    OSError
        When it can't be written.
    ExportCancelledError
        When the job is cancelled while the package is read once more for its SHA-256.
    """
    report = {
        "jobId": job.job_id,
        "request": _understood(request, plan, order),
        "cache": plan.cache.name,
        "result": {
            "name": result.path.name,
            "size": result.size,
            "sha256": _sha256(result.path, job) if order.kind.is_package else None,
        },
        **_figures(plan, result),
        "damagedTiles": [tile._asdict() for tile in result.damaged],
        "messages": job.to_json()["messages"],
    }
    (result.path.parent / REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")


def _understood(request: Request, plan: Plan, order: Order) -> dict[str, Any]:
    """Return the request under the operation's names, in the terms of the cache."""
    selection = plan.selection
    area = selection.area and {"bounds": selection.area.bounds._asdict(), "edges": len(selection.area.edges)}
    extent: Extent | None = selection.extent
    return {
        "levels": [lod.level for lod in selection.lods],
        "exportBy": request.export_by,
        "exportExtent": extent._asdict() if extent else None,
        "areaOfInterest": area,
        "spatialReference": reference_json(plan.cache.scheme.reference),
        "tilePackage": request.tile_package,
        "storageFormatType": order.kind.storage.value,
        "optimizeTilesForSize": request.optimize,
        "compressionQuality": order.recompression.quality,
        "tables": order.recompression.tables,
    }


def _figures(plan: Plan, result: ExportResult) -> dict[str, Any]:
    """Return the figures of each level, those without tiles among them, and of all."""
    levels = [
        {"level": level.lod.level, **_level(level, result.levels.get(level.lod.level, LevelReport()))}
        for level in plan.levels
    ]
    total = result.total
    return {
        "planned": {"tiles": plan.tiles, "bytes": plan.bytes},
        "written": {"tiles": total.tiles, "bytes": total.bytes_written},
        **_outcomes(total),
        "levels": levels,
    }


def _level(planned: LevelPlan, written: LevelReport) -> dict[str, Any]:
    return {
        "planned": {"tiles": planned.tiles, "bytes": planned.bytes},
        "written": {"tiles": written.tiles, "bytes": written.bytes_written},
        **_outcomes(written),
    }


def _outcomes(report: LevelReport) -> dict[str, Any]:
    """Return what became of the tiles, under the names that the result's own JSON has for it."""
    names = "tilesRecompressed", "tilesKept", "kept", "damaged", "effectiveQuality"
    value = report.to_json()
    return {name: value[name] for name in names}


def _sha256(path: Path, job: Job) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            job.show(JobProgress("step", "Computing the package's SHA-256", 100))
            digest.update(chunk)
    return digest.hexdigest()
