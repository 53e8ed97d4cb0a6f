"""exportTiles for Esri tile caches: cut tiles out, recompress JPEG in the DCT domain, get a package or dataset."""

from gptool import errors
from gptool.cache import TileCache, open_cache
from gptool.estimate import Estimate, estimate_export_tiles_size
from gptool.export import export_tiles
from gptool.job import Job
from gptool.report import DamagedTile, ExportResult, LevelReport
from gptool.tool import export_tiles_job

__all__ = (
    "DamagedTile",
    "Estimate",
    "ExportResult",
    "Job",
    "LevelReport",
    "TileCache",
    "errors",
    "estimate_export_tiles_size",
    "export_tiles",
    "export_tiles_job",
    "open_cache",
)

__version__ = "0.1.0"
