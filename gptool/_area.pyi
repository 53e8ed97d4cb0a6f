import numpy as np
from numpy.typing import NDArray

def covered(
    edges: NDArray[np.float64],
    origin_x: float,
    origin_y: float,
    width: float,
    height: float,
    row: int,
    column: int,
    tolerance: float,
) -> NDArray[np.bool_]: ...
def edges_between(edges: NDArray[np.float64], low: float, high: float) -> NDArray[np.int64]: ...
def count_crossings(edges: NDArray[np.float64], limit: int, max_pairs: int) -> tuple[int, int]: ...
