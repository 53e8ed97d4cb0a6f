from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from gptool.model import Tables

Bytes: TypeAlias = Buffer | NDArray[np.uint8]  # NumPy declares its arrays as buffers from Python 3.12 on

class Outcome(IntEnum):
    RECOMPRESSED = 0
    KEPT_QUALITY = 1
    KEPT_UNCHANGED = 2
    KEPT_NOT_SMALLER = 3
    KEPT_NOT_JPEG = 4
    KEPT_UNSUPPORTED = 5
    DAMAGED = 6

def quality(tile: Bytes) -> float | None: ...
def qualities(source: Bytes, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32]) -> NDArray[np.float64]: ...
def recompress(tile: Bytes, quality: int, *, tables: Tables = "efficient") -> tuple[bytes, Outcome]: ...
def recompress_batch(
    source: Bytes,
    offsets: NDArray[np.uint64],
    sizes: NDArray[np.uint32],
    quality: int,
    *,
    tables: Tables = "efficient",
) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint8]]: ...
def diagnose(tile: Bytes) -> str: ...
def huffman_table(counts: NDArray[np.uint32]) -> tuple[bytes, bytes]: ...
