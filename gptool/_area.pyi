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
    bundles: int = 1,
) -> NDArray[np.bool_]: ...
def count_crossings(edges: NDArray[np.float64], limit: int, max_pairs: int) -> tuple[int, int]: ...
