"""exportTiles for Esri tile caches: export tiles into a package or dataset, and recompress JPEG in the DCT domain."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gptool import errors

if TYPE_CHECKING:
    from gptool.cache import TileCache, open_cache
    from gptool.delta.applying import apply
    from gptool.delta.differ import diff
    from gptool.delta.results import ApplyResult, DiffResult
    from gptool.export.estimate import Estimate
    from gptool.export.functions import estimate_export_tiles_size, export_tiles
    from gptool.export.report import DamagedTile, ExportResult, LevelReport
    from gptool.jobs.job import Job
    from gptool.plan.info import CacheInfo, LevelInfo, info
    from gptool.samples.functions import sample_compressions
    from gptool.samples.report import Samples
    from gptool.tool import export_tiles_job
    from gptool.verification import Finding, Verification, verify

__all__ = (
    "ApplyResult",
    "CacheInfo",
    "DamagedTile",
    "DiffResult",
    "Estimate",
    "ExportResult",
    "Finding",
    "Job",
    "LevelInfo",
    "LevelReport",
    "Samples",
    "TileCache",
    "Verification",
    "apply",
    "diff",
    "errors",
    "estimate_export_tiles_size",
    "export_tiles",
    "export_tiles_job",
    "info",
    "open_cache",
    "sample_compressions",
    "verify",
)

__version__ = "0.1.0"

_MODULES = {
    "ApplyResult": "gptool.delta.results",
    "CacheInfo": "gptool.plan.info",
    "DamagedTile": "gptool.export.report",
    "DiffResult": "gptool.delta.results",
    "Estimate": "gptool.export.estimate",
    "ExportResult": "gptool.export.report",
    "Finding": "gptool.verification",
    "Job": "gptool.jobs.job",
    "LevelInfo": "gptool.plan.info",
    "LevelReport": "gptool.export.report",
    "Samples": "gptool.samples.report",
    "TileCache": "gptool.cache",
    "Verification": "gptool.verification",
    "apply": "gptool.delta.applying",
    "diff": "gptool.delta.differ",
    "estimate_export_tiles_size": "gptool.export.functions",
    "export_tiles": "gptool.export.functions",
    "export_tiles_job": "gptool.tool",
    "info": "gptool.plan.info",
    "open_cache": "gptool.cache",
    "sample_compressions": "gptool.samples.functions",
    "verify": "gptool.verification",
}
"""The modules of the public names. They are imported on first access: it takes much longer than Python's start."""

if not TYPE_CHECKING:  # to a type checker every name would be one of ours

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
