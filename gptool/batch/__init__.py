"""Many exports that one file describes: `file` reads it, `run` runs them, `lock` keeps a second run away."""

from gptool.batch.file import Batch, BatchExport, read_batch
from gptool.batch.lock import lock_batch
from gptool.batch.run import BatchRun, Outcome, Status

__all__ = ("Batch", "BatchExport", "BatchRun", "Outcome", "Status", "lock_batch", "read_batch")
