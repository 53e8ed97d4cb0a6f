# cython: cdivision=True
# A divisor is a tile's side, which is checked to be above 0, or a difference that is compared with 0 before.
"""The tiles of bundles that a polygon covers, and how often edges cross each other.

Tiles take two steps: a tile that an edge meets is covered; any other tile lies wholly inside or wholly outside, as its
centre does, which is inside if an odd number of edges pass left of it. All functions are thread-safe.
"""

import numpy as np

from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef enum:
    SIDE = 128  # rows, and columns, of tiles in a bundle
    TILES = SIDE * SIDE
    WORD = 64  # bits of an unsigned integer
    COMPARED_PER_PAIR = 32  # comparisons of two boxes that take as long as one examination of a pair
    MAX_BUNDLES = 1024  # whose masks are made at once

cdef struct Edge:
    double x0, y0, x1, y1

cdef struct Grid:
    double origin_x, origin_y, width, height
    double row, column  # first of the bundle; double, since an integer could overflow
    double tolerance

# An edge in units of tiles from the bundle's top left corner, x to the right, y downwards. Edges that share a point of
# the polygon share it here too, whatever the rounding, so that no row of centres passes between them.
cdef struct Line:
    double top, bottom, x_at_top, x_at_bottom
    double left, right
    double slope  # change of x per unit of y

# Flags of the tiles of a row, or of a column.
cdef struct Bits:
    uint64_t words[2]

# What edges do to the tiles of a bundle. Flat edges set flags along rows and steep ones along columns: however long an
# edge is, each row or column that it passes takes one step.
cdef struct Drawing:
    Bits touched_in_row[SIDE]  # an edge meets the shrunk square of the tile
    Bits touched_in_column[SIDE]
    Bits crossed_in_row[SIDE]  # an odd number of edges pass between its centre and the centre to the left
    Bits crossed_in_column[SIDE]
    uint8_t swapped[SIDE + 1]  # of each row: an odd number of edges left of it start or end: inside and outside swap
    uint8_t passed[SIDE + 1]  # as `swapped`, for all bundles from here to the right


cdef inline int _count_up_to(double limit) noexcept nogil:
    """Return how many of 0, 1, ..., 127 are <= limit."""
    if limit >= SIDE - 1:
        return SIDE
    return <int>limit + 1 if limit >= 0 else 0


cdef inline int _count_below(double limit) noexcept nogil:
    """Return how many of 0, 1, ..., 127 are < limit."""
    if limit > SIDE - 1:
        return SIDE
    return <int>limit + (<int>limit < limit) if limit > 0 else 0


cdef inline void _set_ends(double x0, double y0, double x1, double y1, Line *line) noexcept nogil:
    if y0 <= y1:
        line.top, line.bottom, line.x_at_top, line.x_at_bottom = y0, y1, x0, x1
    else:
        line.top, line.bottom, line.x_at_top, line.x_at_bottom = y1, y0, x1, x0
    line.left, line.right = min(x0, x1), max(x0, x1)
    line.slope = (line.x_at_bottom - line.x_at_top) / (line.bottom - line.top) if line.top < line.bottom else 0


cdef inline bint _to_line(const Edge *edge, const Grid *grid, Line *line) noexcept nogil:
    """Convert an edge to units of tiles; return False if a coordinate is not finite."""
    cdef double x0 = (edge.x0 - grid.origin_x) / grid.width - grid.column
    cdef double x1 = (edge.x1 - grid.origin_x) / grid.width - grid.column
    cdef double y0 = (grid.origin_y - edge.y0) / grid.height - grid.row
    cdef double y1 = (grid.origin_y - edge.y1) / grid.height - grid.row
    if not (isfinite(x0) and isfinite(x1) and isfinite(y0) and isfinite(y1)):
        return False
    _set_ends(x0, y0, x1, y1, line)
    return True


cdef inline double _x_at(const Line *line, double y) noexcept nogil:
    """Return x at a y between the ends, limited to the line: the slope of a flat line is inexact."""
    cdef double x = line.x_at_top + (y - line.top) * line.slope
    if not x > line.left:
        return line.left
    return x if x < line.right else line.right


cdef inline double _start_x(const Line *line, double y) noexcept nogil:
    """Return x where the part of the line below y starts."""
    return line.x_at_top if y <= line.top else _x_at(line, y)


cdef inline double _end_x(const Line *line, double y) noexcept nogil:
    """Return x where the part of the line above y ends."""
    return line.x_at_bottom if y >= line.bottom else _x_at(line, y)


cdef inline uint64_t _lowest_bits(int count) noexcept nogil:
    """Return the integer whose lowest bits are set, limited to none and all."""
    if count <= 0:
        return 0
    return (<uint64_t>1 << count) - 1 if count < WORD else ~<uint64_t>0


cdef inline Bits _range(int begin, int stop) noexcept nogil:
    """Return the flags from `begin` up to but not including `stop`, none if that is not above."""
    cdef Bits bits
    bits.words[0] = _lowest_bits(stop) & ~_lowest_bits(begin)
    bits.words[1] = _lowest_bits(stop - WORD) & ~_lowest_bits(begin - WORD)
    return bits


cdef inline void _touch(const Line *line, double tolerance, Bits *touched) noexcept nogil:
    """Flag the tiles that a line touches, row by row."""
    cdef double start, end, far_side = 1 - tolerance
    cdef int row
    cdef Bits bits
    for row in range(_count_below(line.top - far_side), _count_up_to(line.bottom - tolerance)):
        start, end = _start_x(line, row + tolerance), _end_x(line, row + far_side)
        bits = _range(_count_below(min(start, end) - far_side), _count_up_to(max(start, end) - tolerance))
        touched[row].words[0] |= bits.words[0]
        touched[row].words[1] |= bits.words[1]


cdef inline int _crossed_column(const Line *line, int row) noexcept nogil:
    """Return the column before whose centre a line crosses the centres of a row, 128 if it does not."""
    return _count_up_to(_start_x(line, row + 0.5) - 0.5)


cdef inline void _cross_rows(const Line *line, int first, int last, Bits *crossed) noexcept nogil:
    """Swap the flags of the tiles before whose centre a line crosses rows, row by row."""
    cdef int row, column
    for row in range(first, last):
        column = _crossed_column(line, row)
        if column < SIDE:
            crossed[row].words[column // WORD] ^= <uint64_t>1 << column % WORD


cdef inline void _cross_columns(
    const Line *line, const Line *transposed, int first, int last, Bits *crossed
) noexcept nogil:
    """Swap the flags of the tiles before whose centre a line crosses rows, column by column.

    Each row is crossed once, whatever the rounding: a tile beside its neighbour instead has the line on its centre.
    """
    cdef int column = _crossed_column(line, first), end = _crossed_column(line, last - 1), stop
    cdef int step = 1 if column <= end else -1
    cdef Bits bits
    while first < last:
        if column == end:
            stop = last
        elif step > 0:
            stop = min(max(_count_below(_x_at(transposed, column + 0.5) - 0.5), first), last)
        else:
            stop = min(max(_count_up_to(_x_at(transposed, column - 0.5) - 0.5), first), last)
        if column < SIDE:
            bits = _range(first, stop)
            crossed[column].words[0] ^= bits.words[0]
            crossed[column].words[1] ^= bits.words[1]
        first = stop
        column += step


cdef inline void _draw_line(const Line *line, double tolerance, Drawing *drawing) noexcept nogil:
    """Flag the tiles that a line touches, and in each row the tile before whose centre the line crosses it."""
    # The line crosses rows with row + 0.5 in [top, bottom). The interval is half-open, so that of two edges that meet
    # at the height of a centre exactly one crosses it.
    cdef int first = _count_below(line.top - 0.5), last = _count_below(line.bottom - 0.5)
    cdef double start = _start_x(line, 0), end = _end_x(line, SIDE)
    cdef Line transposed
    if start > SIDE and end > SIDE:
        return
    if start < 0 and end < 0:
        drawing.swapped[first] ^= 1
        drawing.swapped[last] ^= 1
    elif line.bottom - line.top <= line.right - line.left:
        _touch(line, tolerance, drawing.touched_in_row)
        _cross_rows(line, first, last, drawing.crossed_in_row)
    else:
        _set_ends(line.top, line.x_at_top, line.bottom, line.x_at_bottom, &transposed)
        _touch(&transposed, tolerance, drawing.touched_in_column)
        _cross_columns(line, &transposed, first, last, drawing.crossed_in_column)


cdef inline int _bundle_at(double x, int last) noexcept nogil:
    """Return the number of the bundle at x tiles, limited to -1 on the left and `last` on the right."""
    if x < 0:
        return -1
    return <int>(x / SIDE) if x < SIDE * <double>(last + 1) else last


cdef void _draw_edges(
    const char *edges, Py_ssize_t n, Py_ssize_t stride, const Grid *grid, int bundles, Drawing *drawings
) noexcept nogil:
    """Draw the edges that cross one of the bundles, or lie left of it.

    Most edges do neither and are rejected by comparisons; a margin of one tile allows for rounding of the limits.
    """
    cdef double top = grid.origin_y - (grid.row - 1) * grid.height
    cdef double bottom = grid.origin_y - (grid.row + SIDE + 1) * grid.height
    cdef double right = grid.origin_x + (grid.column + SIDE * <double>bundles + 1) * grid.width
    cdef const Edge *edge
    cdef Grid own = grid[0]
    cdef Line line
    cdef Py_ssize_t i
    cdef int bundle, last
    for i in range(n):
        edge = <const Edge *>(edges + i * stride)
        if (
            (edge.y0 > top and edge.y1 > top) or (edge.y0 < bottom and edge.y1 < bottom)
            or (edge.x0 > right and edge.x1 > right) or not _to_line(edge, grid, &line)
        ):
            continue
        bundle, last = max(_bundle_at(line.left - 1, bundles - 1), 0), _bundle_at(line.right + 1, bundles - 1)
        if last + 1 < bundles:  # it is left of the others
            drawings[last + 1].passed[_count_below(line.top - 0.5)] ^= 1
            drawings[last + 1].passed[_count_below(line.bottom - 0.5)] ^= 1
        while bundle <= last:
            own.column = grid.column + SIDE * <double>bundle
            if _to_line(edge, &own, &line):
                _draw_line(&line, grid.tolerance, &drawings[bundle])
            bundle += 1


cdef inline uint8_t _flag(const Bits *bits, int i) noexcept nogil:
    return bits.words[i // WORD] >> i % WORD & 1


cdef void _fill(const Drawing *drawing, uint8_t *cells) noexcept nogil:
    """Set 1 for covered tiles and 0 for others: an untouched tile is covered if its centre is inside."""
    cdef uint8_t inside_left = 0, inside
    cdef int row, column
    for row in range(SIDE):
        inside_left ^= drawing.swapped[row] ^ drawing.passed[row]
        inside = inside_left
        for column in range(SIDE):
            inside ^= _flag(&drawing.crossed_in_row[row], column) ^ _flag(&drawing.crossed_in_column[column], row)
            cells[SIDE * row + column] = (
                inside | _flag(&drawing.touched_in_row[row], column) | _flag(&drawing.touched_in_column[column], row)
            )


cdef int _check_arguments(const double[:, :] edges, double width, double height, double tolerance) except -1:
    if edges.shape[1] != 4:
        raise ValueError(f"edges: wrong shape; found {edges.shape[1]} columns, expected 4")
    if edges.shape[0] and edges.strides[1] != sizeof(double):
        raise ValueError("edges: numbers of a row are not side by side")
    for name, side in (("width", width), ("height", height)):
        if not (side > 0 and isfinite(side)):
            raise ValueError(f"{name}: out of range; found {side}, expected a finite number above 0")
    if not 0 <= tolerance < 0.5:
        raise ValueError(f"tolerance: out of range; found {tolerance}, expected at least 0 and below 0.5")
    return 0


def covered(
    const double[:, :] edges not None, double origin_x, double origin_y, double width, double height,
    int64_t row, int64_t column, double tolerance, int bundles=1,
):
    """Return which tiles of bundles of 128 x 128 tiles, side by side, share area with a polygon.

    The top left corner of tile (r, c) is (origin_x + c * width, origin_y - r * height). The tile is covered if
    its rectangle, shrunk on all four sides and including its boundary, meets the interior or the boundary of the
    polygon.

    Parameters
    ----------
    edges : float64[n, 4]
        x0, y0, x1, y1 of every edge of the rings of a valid polygon or multipolygon, including holes, in units of the
        spatial reference. Order and direction do not matter. An edge with a coordinate that is not finite in units of
        tiles is ignored. Rows may overlap: a view of vertices has the end of an edge as the start of the next one.
    origin_x, origin_y : float
        The top left corner of tile row 0, column 0, in units of the spatial reference.
    width, height : float
        Size of a tile, in units of the spatial reference.
    row, column : int
        The first tile row and column of the first bundle.
    tolerance : float
        The fraction of a tile's side by which it is shrunk on each side. With 0 a polygon also covers tiles that it
        only touches.
    bundles : int
        1 to 1024.

    Returns
    -------
    bool[bundles * 16384]
        For each bundle row-major, 128 * (r - row) + c - column.

    Raises
    ------
    ValueError
        If `edges` has another shape, type or memory layout, `width` or `height` is not finite and above 0,
        `tolerance` is not at least 0 and below 0.5, or `bundles` is out of range.
    """
    _check_arguments(edges, width, height, tolerance)
    if not 1 <= bundles <= MAX_BUNDLES:
        raise ValueError(f"bundles: out of range; found {bundles}, expected 1 to {MAX_BUNDLES}")
    cdef Grid grid = Grid(origin_x, origin_y, width, height, <double>row, <double>column, tolerance)
    cdef Py_ssize_t n = edges.shape[0]
    cdef const char *first = <const char *>&edges[0, 0] if n else NULL
    cells, memory = np.empty(TILES * bundles, np.uint8), np.zeros(sizeof(Drawing) * bundles // 8, np.uint64)
    cdef uint8_t[::1] view = cells
    cdef uint64_t[::1] words = memory
    cdef Drawing *drawings = <Drawing *>&words[0]
    cdef int bundle, i
    with nogil:
        _draw_edges(first, n, edges.strides[0], &grid, bundles, drawings)
        for bundle in range(bundles):
            if bundle:
                for i in range(SIDE + 1):
                    drawings[bundle].passed[i] ^= drawings[bundle - 1].passed[i]
            _fill(&drawings[bundle], &view[TILES * bundle])
    return cells.view(np.bool_)


cdef inline double _side(double x0, double y0, double x1, double y1, double x, double y) noexcept nogil:
    """Return a number whose sign is the side of a line on which a point lies."""
    return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)


cdef inline bint _is_within(const Edge *edge, double x, double y) noexcept nogil:
    """Return whether a point of the edge's line lies between the ends of the edge, and is neither of them."""
    return (x - edge.x0) * (x - edge.x1) + (y - edge.y0) * (y - edge.y1) < 0


cdef inline bint _cross(const Edge *one, const Edge *other) noexcept nogil:
    """Return whether edges cross, or an end of one lies within the other. Ends that both have are no crossings."""
    cdef double start = _side(one.x0, one.y0, one.x1, one.y1, other.x0, other.y0)
    cdef double end = _side(one.x0, one.y0, one.x1, one.y1, other.x1, other.y1)
    if (start > 0 and end > 0) or (start < 0 and end < 0):
        return False
    cdef double own_start = _side(other.x0, other.y0, other.x1, other.y1, one.x0, one.y0)
    cdef double own_end = _side(other.x0, other.y0, other.x1, other.y1, one.x1, one.y1)
    if start and end and ((own_start > 0 and own_end < 0) or (own_start < 0 and own_end > 0)):
        return True
    return (
        (start == 0 and _is_within(one, other.x0, other.y0))
        or (end == 0 and _is_within(one, other.x1, other.y1))
        or (own_start == 0 and _is_within(other, one.x0, one.y0))
        or (own_end == 0 and _is_within(other, one.x1, one.y1))
    )


cdef int64_t _count_crossings(
    const Edge *edges, Py_ssize_t n, int64_t limit, int64_t max_pairs, int64_t *pairs
) noexcept nogil:
    cdef int64_t crossings = 0, compared = 0, near = 0
    cdef const Edge *one
    cdef const Edge *other
    cdef double low, high
    cdef Py_ssize_t i, j
    for i in range(n):
        one = &edges[i]
        low, high = min(one.y0, one.y1), max(one.y0, one.y1)
        for j in range(i + 1, n):
            other = &edges[j]
            if not other.x0 <= one.x1:
                break
            compared += 1
            if (other.y0 > high and other.y1 > high) or (other.y0 < low and other.y1 < low):
                continue
            near += 1
            crossings += _cross(one, other)
            if crossings > limit:
                break
        pairs[0] = near + compared / COMPARED_PER_PAIR
        if crossings > limit or pairs[0] > max_pairs:
            break
    return crossings


def count_crossings(const double[:, ::1] edges not None, int64_t limit, int64_t max_pairs):
    """Return how many pairs of edges cross each other, and how many were examined.

    Edges cross if their interiors do, or if an end of one lies within the other. An end of both is no crossing.

    Parameters
    ----------
    edges : float64[n, 4]
        x0, y0, x1, y1 of every edge, where x0 <= x1, sorted by x0.
    limit, max_pairs : int
        The count ends when there are more crossings, or more pairs were examined.

    Returns
    -------
    (int, int)
        The crossings; and the pairs of edges whose boxes overlap, with a share of those for which only x does.

    Raises
    ------
    ValueError
        If `edges` has another shape, type or memory layout.
    """
    if edges.shape[1] != 4:
        raise ValueError(f"edges: wrong shape; found {edges.shape[1]} columns, expected 4")
    cdef Py_ssize_t n = edges.shape[0]
    cdef const Edge *first = <const Edge *>&edges[0, 0] if n else NULL
    cdef int64_t crossings, pairs = 0
    with nogil:
        crossings = _count_crossings(first, n, limit, max_pairs, &pairs)
    return crossings, pairs
