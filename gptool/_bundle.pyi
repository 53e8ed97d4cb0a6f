from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

Bytes: TypeAlias = Buffer | NDArray[np.uint8]  # NumPy declares its arrays as buffers from Python 3.12 on

class TileKind(IntEnum):
    UNKNOWN = 0
    JPEG = 1
    PNG = 2
    LERC = 3

def read_index_v2(index: Bytes, file_size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32], int]: ...
def read_index_v1(index: Bytes, file_size: int) -> tuple[NDArray[np.uint64], int]: ...
def pack(source: Bytes, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32]) -> NDArray[np.uint8]: ...
def inspect(
    source: Bytes, offsets: NDArray[np.uint64], sizes: NDArray[np.uint32]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]: ...
