"""The report of an export: the request as it was understood, and what was planned and written.

report.json lies beside the result of a job; the command line writes it where it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptool.export.file_digest import sha256_of
from gptool.export.prepare import PreparedExport
from gptool.export.report import ExportResult, LevelReport
from gptool.jobs.record import JobRecord
from gptool.model import Phase, Progress
from gptool.output.esri_json import extent_json, spatial_reference_json
from gptool.plan import LevelPlan, Plan
from gptool.request import Request
from gptool.system.store_url import Location, location_text
from gptool.verification import verify

REPORT = "report.json"

DELTA_MEMBERS = "added", "changed", "deleted", "unchanged", "base", "result"
"""What a report states of a delta."""


def write_report(
    path: Path,
    record: JobRecord,
    request: Request,
    prepared: PreparedExport,
    result: ExportResult,
    progress: Progress,
    delta: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the report of an export that has succeeded, and return it.

    Parameters
    ----------
    path : Path
        The report, such as report.json beside the result.
    record : JobRecord
        The job, with its messages so far.
    request : Request
    prepared : PreparedExport
    result : ExportResult
    progress : Progress
        Called while the SHA-256 of a package is computed, or parts are verified.
    delta : dict or None
        What changed since an earlier export, if the result is a delta to its package.

    Raises
    ------
    OSError
        If the package cannot be read or the report cannot be written.
    """
    plan, is_file = prepared.plan, prepared.kind.is_file and not result.parts
    report = {
        "jobId": record.job_id,
        "succeeded": True,
        "request": _request_json(request, prepared),
        "cache": plan.cache.name,
        "result": {
            "name": result.path.name,
            "size": result.size,
            "sha256": sha256_of(result.path, progress) if is_file else None,
        },
        "parts": list(_parts_json(result, progress)),
        "delta": delta and {name: delta[name] for name in DELTA_MEMBERS},
        "target": result.target and result.target.to_json(),
        "resumed": result.resumed._asdict(),
        "verification": _verification_json(result.path) if is_file and request.tile_package else None,
        **_figures_json(plan, result),
        "damagedTiles": [tile.to_json() for tile in result.damaged],
        "messages": [message.to_json() for message in record.messages],
    }
    path.write_text(json.dumps(report, indent=2), encoding="utf-8")
    return report


def _request_json(request: Request, prepared: PreparedExport) -> dict[str, Any]:
    """Return the request by the operation's parameter names; levels and bounds are those of the cache."""
    plan, recompression = prepared.plan, prepared.recompression
    selection, cache_reference = plan.selection, plan.cache.scheme.reference
    bounds = selection.area.bounds if selection.area else selection.extent
    extent, polygons = request.extent, request.area and request.area.polygons
    references = list(dict.fromkeys(polygon.reference or cache_reference for polygon in polygons or ()))
    return {
        "levels": [lod.level for lod in selection.lods],
        "exportBy": request.export_by,
        "nearestLevel": request.nearest_level,
        "exportExtent": extent_json(extent.extent, spatial_reference_json(extent.reference or cache_reference))
        if extent and not polygons
        else None,
        "areaOfInterest": polygons
        and {
            "polygons": len(polygons),
            "spatialReferences": [spatial_reference_json(reference) for reference in references],
        },
        "bounds": extent_json(bounds, spatial_reference_json(cache_reference)) if bounds else None,
        "tilePackage": request.tile_package,
        "storageFormatType": request.storage or prepared.kind.storage_format,
        "optimizeTilesForSize": request.optimize,
        "compressionQuality": request.quality,
        "targetSize": request.target_size,
        "maxPartSize": request.max_part_size,
        "maxPartTiles": request.max_part_tiles,
        "declaredCompressionQuality": recompression.declared_quality,
        "tables": recompression.tables,
        "optimizePng": request.optimize_png,
        "since": request.since,
    }


def _figures_json(plan: Plan, result: ExportResult) -> dict[str, Any]:
    """Return the figures of all levels together and of each level, also of levels without tiles."""
    levels = [
        {"level": level.lod.level, **_level_json(level, result.levels.get(level.lod.level, LevelReport()))}
        for level in plan.levels
    ]
    total = result.total
    return {
        "planned": {"tiles": plan.tiles, "bytes": plan.bytes},
        "written": {"tiles": total.tiles, "bytes": total.bytes_written},
        **_outcomes_json(total),
        "levels": levels,
    }


def _level_json(planned: LevelPlan, written: LevelReport) -> dict[str, Any]:
    return {
        "planned": {"tiles": planned.tiles, "bytes": planned.bytes},
        "written": {"tiles": written.tiles, "bytes": written.bytes_written},
        **_outcomes_json(written),
    }


def _outcomes_json(report: LevelReport) -> dict[str, Any]:
    """Return what happened to the tiles, by the names in the JSON of the report itself."""
    sizes = "tiles", "bytesRead", "bytesWritten"
    return {name: value for name, value in report.to_json().items() if name not in sizes}


def _parts_json(result: ExportResult, progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield the entries of the manifest, each with the verification of the part."""
    for done, part in enumerate(result.parts):
        progress(Phase.VERIFYING, done, len(result.parts))
        yield {**part.to_json(), "verification": _verification_json(result.path / part.name)}


def _verification_json(package: Location) -> dict[str, Any]:
    """Return the result of a verification that decodes no tiles: all of them were read for the export."""
    verification = verify(location_text(package), tiles="none").to_json()
    return {name: value for name, value in verification.items() if name != "location"}
