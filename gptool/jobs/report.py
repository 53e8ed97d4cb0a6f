"""report.json, beside a job's result: what was understood, planned and written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gptool.export.report import ExportResult, LevelReport
from gptool.jobs.job import Job
from gptool.jpeg.recompression import Recompression
from gptool.model import Phase, StorageFormat
from gptool.output.esri_json import extent_json, spatial_reference_json
from gptool.plan import LevelPlan, Plan
from gptool.request import Request

REPORT = "report.json"
CHUNK = 4 * 1024 * 1024


def write_report(job: Job, request: Request, plan: Plan, recompression: Recompression, result: ExportResult) -> None:
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
        "request": _understood(request, plan, recompression),
        "cache": plan.cache.name,
        "result": {
            "name": result.path.name,
            "size": result.size,
            "sha256": _sha256(result.path, job) if request.tile_package else None,
        },
        **_figures(plan, result),
        "damagedTiles": [tile._asdict() for tile in result.damaged],
        "messages": [message.to_json() for message in job.messages],
    }
    (result.path.parent / REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")


def _understood(request: Request, plan: Plan, recompression: Recompression) -> dict[str, Any]:
    """Return the request under the operation's names; levels and bounds in the terms of the cache."""
    selection, own = plan.selection, plan.cache.scheme.reference
    bounds = selection.area.bounds if selection.area else selection.extent
    extent, polygons = request.extent, request.polygons
    references = list(dict.fromkeys(polygon.reference or own for polygon in polygons or ()))
    return {
        "levels": [lod.level for lod in selection.lods],
        "exportBy": request.export_by,
        "exportExtent": extent_json(extent.extent, spatial_reference_json(extent.reference or own))
        if extent and not polygons
        else None,
        "areaOfInterest": polygons
        and {
            "polygons": len(polygons),
            "spatialReferences": [spatial_reference_json(reference) for reference in references],
        },
        "bounds": extent_json(bounds, spatial_reference_json(own)) if bounds else None,
        "tilePackage": request.tile_package,
        "storageFormatType": request.storage or StorageFormat.COMPACT_V2,
        "optimizeTilesForSize": request.optimize,
        "compressionQuality": request.quality,
        "cappedCompressionQuality": recompression.quality,
        "tables": recompression.tables,
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
    names = "tilesRecompressed", "tilesKept", "outcomes", "damaged", "effectiveQuality", "qualities"
    value = report.to_json()
    return {name: value[name] for name in names}


def _sha256(path: Path, job: Job) -> str:
    digest = hashlib.sha256()
    done, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            job.report_progress(Phase.HASHING, done, size)
            digest.update(chunk)
            done += len(chunk)
    return digest.hexdigest()
