# cython: cdivision=True
# A divisor is a tile's side, checked to be above 0, or a difference looked at before it divides.
"""Which of a bundle's tiles share area with a polygon.

Two steps: the tiles that an edge meets are covered; any other is all inside or all outside, and its centre tells which:
it is inside when an odd number of edges pass left of it. May be called from any number of threads at a time.
"""

import numpy as np

from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset


cdef enum:
    SIDE = 128  # rows, and columns, of tiles in a bundle
    TILES = SIDE * SIDE
    MARKED = 1  # of a tile: an edge meets its shrunk square
    CROSSED = 2  # of a tile: between its centre and the one left of it inside and outside change places

cdef struct Edge:
    double x0, y0, x1, y1

cdef struct Grid:
    double origin_x, origin_y, width, height
    double row, column  # the bundle's first; as doubles, which can't overflow
    double tolerance

# An edge in tiles from the bundle's top left corner, x to the right, y downwards. A polygon's edges that meet in a
# point meet in the same point here, whatever the rounding: no row's centre can slip through between them.
cdef struct Line:
    double top, bottom, x_at_top, x_at_bottom
    double left, right
    double slope  # x for each y


cdef inline int _up_to(double place) noexcept nogil:
    """Return how many of 0, 1, ..., 127 are <= place."""
    if place >= SIDE - 1:
        return SIDE
    return <int>place + 1 if place >= 0 else 0


cdef inline int _before(double place) noexcept nogil:
    """Return how many of 0, 1, ..., 127 are < place."""
    if place > SIDE - 1:
        return SIDE
    return <int>place + (<int>place < place) if place > 0 else 0


cdef inline bint _line_of(const Edge *edge, const Grid *grid, Line *line) noexcept nogil:
    """Express an edge in tiles; False where that gives no numbers."""
    cdef double x0 = (edge.x0 - grid.origin_x) / grid.width - grid.column
    cdef double x1 = (edge.x1 - grid.origin_x) / grid.width - grid.column
    cdef double y0 = (grid.origin_y - edge.y0) / grid.height - grid.row
    cdef double y1 = (grid.origin_y - edge.y1) / grid.height - grid.row
    if not (isfinite(x0) and isfinite(x1) and isfinite(y0) and isfinite(y1)):
        return False
    if y0 <= y1:
        line.top, line.bottom, line.x_at_top, line.x_at_bottom = y0, y1, x0, x1
    else:
        line.top, line.bottom, line.x_at_top, line.x_at_bottom = y1, y0, x1, x0
    line.left, line.right = min(x0, x1), max(x0, x1)
    line.slope = (line.x_at_bottom - line.x_at_top) / (line.bottom - line.top) if line.top < line.bottom else 0
    return True


cdef inline double _x_at(const Line *line, double y) noexcept nogil:
    """Return x at a height between the ends: never beyond them, though the slope of a flat line is rounded."""
    cdef double x = line.x_at_top + (y - line.top) * line.slope
    if not x > line.left:
        return line.left
    return x if x < line.right else line.right


cdef inline double _x_from(const Line *line, double y) noexcept nogil:
    """Return x where the part below y starts."""
    return line.x_at_top if y <= line.top else _x_at(line, y)


cdef inline double _x_until(const Line *line, double y) noexcept nogil:
    """Return x where the part above y ends."""
    return line.x_at_bottom if y >= line.bottom else _x_at(line, y)


cdef inline void _draw(const Line *line, double tolerance, uint8_t *cells, uint8_t *rows) noexcept nogil:
    """Mark the tiles that a line meets, and note which rows' centres it crosses where."""
    # Half-open, so that of two edges that meet at the height of a centre one crosses it: row + 0.5 in [top, bottom).
    cdef int first = _before(line.top - 0.5), last = _before(line.bottom - 0.5)
    cdef double start = _x_from(line, 0), end = _x_until(line, SIDE)
    cdef double far_side = 1 - tolerance
    cdef int row, begin, stop, crossed
    cdef uint8_t *cell
    if start > SIDE and end > SIDE:
        return
    if start < 0 and end < 0:
        rows[first] ^= 1
        rows[last] ^= 1
        return
    for row in range(_before(line.top - far_side), _up_to(line.bottom - tolerance)):
        cell = cells + SIDE * row
        start, end = _x_from(line, row + tolerance), _x_until(line, row + far_side)
        begin, stop = _before(min(start, end) - far_side), _up_to(max(start, end) - tolerance)
        while begin < stop:
            cell[begin] |= MARKED
            begin += 1
        if first <= row < last:
            crossed = _up_to(_x_from(line, row + 0.5) - 0.5)
            if crossed < SIDE:
                cell[crossed] ^= CROSSED


cdef void _draw_all(const Edge *edges, Py_ssize_t n, const Grid *grid, uint8_t *cells, uint8_t *rows) noexcept nogil:
    """Draw the edges that pass the bundle or lie left of it.

    Most do neither and are told by comparisons alone, with a tile to spare for the rounding of the limits.
    """
    cdef double top = grid.origin_y - (grid.row - 1) * grid.height
    cdef double bottom = grid.origin_y - (grid.row + SIDE + 1) * grid.height
    cdef double right = grid.origin_x + (grid.column + SIDE + 1) * grid.width
    cdef const Edge *edge
    cdef Line line
    cdef Py_ssize_t i
    for i in range(n):
        edge = &edges[i]
        if (
            not ((edge.y0 > top and edge.y1 > top) or (edge.y0 < bottom and edge.y1 < bottom))
            and not (edge.x0 > right and edge.x1 > right)
            and _line_of(edge, grid, &line)
        ):
            _draw(&line, grid.tolerance, cells, rows)


cdef void _fill(uint8_t *cells, const uint8_t *rows) noexcept nogil:
    """Turn marks and crossings into 1 for covered and 0 for not: a tile without a mark is what its centre is."""
    cdef uint8_t left_of_row = 0, inside, cell
    cdef int row, column
    for row in range(SIDE):
        left_of_row ^= rows[row]
        inside = left_of_row
        for column in range(SIDE):
            cell = cells[SIDE * row + column]
            inside ^= cell >> 1
            cells[SIDE * row + column] = inside | (cell & MARKED)


cdef int _check(Py_ssize_t numbers, double width, double height, double tolerance) except -1:
    if numbers != 4:
        raise ValueError(f"edges: found {numbers} numbers in each, expected 4")
    for name, side in (("width", width), ("height", height)):
        if not (side > 0 and isfinite(side)):
            raise ValueError(f"{name}: found {side}, expected a finite number above 0")
    if not 0 <= tolerance < 0.5:
        raise ValueError(f"tolerance: found {tolerance}, expected at least 0 and below 0.5")
    return 0


def covered(
    const double[:, ::1] edges not None, double origin_x, double origin_y, double width, double height,
    int64_t row, int64_t column, double tolerance,
):
    """Return which of a bundle's 128 x 128 tiles share area with a polygon.

    Tile (r, c) is the square from origin_x + c * width and origin_y - r * height to the right and downwards. It is
    covered when this square, shrunk on all four sides and with its edge, meets the polygon's inside or its edge.

    Parameters
    ----------
    edges : float64[n, 4]
        x0, y0, x1, y1 of every edge of a valid polygon's or multipolygon's rings, holes too, in units of the
        reference; order and direction do not matter. An edge that is no number in tiles counts as absent.
    origin_x, origin_y : float
        The top left corner of tile row 0, column 0, in units of the reference.
    width, height : float
        A tile's sides, units of the reference.
    row, column : int
        The bundle's first.
    tolerance : float
        The part of a tile's side by which its square is shrunk on each of its sides. With 0 the squares are closed:
        a polygon covers the tiles that it only touches.

    Returns
    -------
    bool[16384]
        Row-major, 128 * (r - row) + c - column.

    Raises
    ------
    ValueError
        When `edges` has another shape, type or layout, a side is not above 0 and finite, or `tolerance` is not at least
        0 and below 0.5.
    """
    _check(edges.shape[1], width, height, tolerance)
    cdef Grid grid = Grid(origin_x, origin_y, width, height, <double>row, <double>column, tolerance)
    cdef Py_ssize_t n = edges.shape[0]
    cdef const Edge *first = <const Edge *>&edges[0, 0] if n else NULL
    cells = np.zeros(TILES, np.uint8)
    cdef uint8_t[::1] view = cells
    cdef uint8_t rows[SIDE + 1]  # 1: left of this row and the rows below it inside and outside change places
    memset(rows, 0, sizeof(rows))
    with nogil:
        _draw_all(first, n, &grid, &view[0], rows)
        _fill(&view[0], rows)
    return cells.view(np.bool_)
