"""An invented world map, drawn as cartographic shaded relief."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_Field = NDArray[np.float32]

_BASE: Final = 256  # where the terrain starts; each doubling adds an octave
_TILE: Final = 512  # the side of the noise that is repeated
_STRIP: Final = 16  # rows worked on at once, so that they stay in the cache
_TURNS: Final = [(float(np.cos(a)), float(np.sin(a))) for a in np.arange(6) * np.pi / 6]
_LEVELS: Final = 1024
_CLIMATES: Final = 64
_ELEVATIONS: Final = (-0.85, -0.45, -0.16, -0.05, 0, 0.001, 0.06, 0.15, 0.28, 0.44, 0.6, 0.72)
_SEA: Final = "274a7e 386a9f 5f95bf 93bfd8 bcdae6"
_LAND: Final = (  # desert, steppe, forest, taiga, tundra, ice
    "e7d8ae e6d3a4 dfc08d cda97c b58d6e ad9483 f1ede7",
    "c3c993 d0cd9a dac995 cbae80 ad896b a69081 f6f4f1",
    "86aa75 a1bb7e c8c992 c9b286 a88b6d ac9f94 fbfaf8",
    "80a07e 99af8a b9ba9b b7a98c a5998c d4d1cd fdfdfd",
    "acb6a2 bbc0ad c6c5b7 c3bdb3 d0cbc6 efeeec ffffff",
    "e7edf0 edf2f4 f1f4f6 f5f7f8 f9fafa fdfdfd ffffff",
)
_LATITUDES: Final = (0, 0.14, 0.27, 0.38, 0.5, 0.66, 0.8, 0.92)
_ZONES: Final = (2.1, 1.9, 0.3, 0.4, 2, 3, 4, 5)
_SUNS: Final = ((-0.707, -0.707, 0.6), (-1, 0, 0.15), (0, -1, 0.15), (-0.707, 0.707, 0.1))
_SHADOW: Final = (0.85, 0.8, 0.62)  # shadows turn blue, lit slopes creamy
_GLOW: Final = (255, 250, 236)


def _noise(n: int, key: tuple[int, int], power: float, band: tuple[float, float], turn: int | None = None) -> _Field:
    """Draw periodic noise of a power-law spectrum in a band, its crests along a direction."""
    rng = np.random.default_rng((*key, n, 0 if turn is None else turn + 1))
    waves = rng.standard_normal((n, n + 2), dtype=np.float32).view(np.complex64)
    fy, fx = np.fft.fftfreq(n, 1 / n)[:, None], np.arange(n // 2 + 1)
    radius = np.maximum(np.hypot(fx, fy), 0.1)
    gain = radius**-power * np.exp(-((band[0] / radius) ** 4) - (radius / band[1]) ** 4)
    if turn is not None:
        cosine, sine = _TURNS[turn]
        gain *= ((fy * cosine - fx * sine) / radius) ** 10
    field = np.fft.irfft2(waves * gain.astype(np.float32), s=(n, n))
    return np.asarray(field / field.std(), np.float32)


def _continents(seed: int) -> _Field:
    """Raise continents, mountain belts and island arcs, coarsely, from a sea level of 0."""
    land = _noise(_BASE, (seed, 0), 2.1, (1.7, 90))
    land -= np.quantile(land, 0.62)
    belts = np.exp(np.abs(_noise(_BASE, (seed, 1), 2.2, (2.2, 60))) / -0.3)
    belts /= 1 + np.exp(-2.5 * _noise(_BASE, (seed, 2), 2, (1.5, 12)) - 0.4)
    crags = 1 - np.abs(_noise(_BASE, (seed, 3), 1.2, (14, 70)))
    peaks = belts * (0.7 + 0.36 * crags) * np.clip(0.85 + 0.5 * land, 0.48, 1)
    return np.asarray(np.where(land > 0, 0.22, 0.8) * np.tanh(0.6 * land) + peaks, np.float32)


def _double(field: _Field) -> _Field:
    """Double the grid bilinearly: pixels keep their places and the edges wrap."""
    n = len(field)
    tall, wide = np.empty((2 * n, n), np.float32), np.empty((2 * n, 2 * n), np.float32)
    for odd in (0, 1):
        tall[odd::2] = 0.75 * field + 0.25 * np.roll(field, 1 - 2 * odd, 0)
    for odd in (0, 1):
        wide[:, odd::2] = 0.75 * tall + 0.25 * np.roll(tall, 1 - 2 * odd, 1)
    return wide


def _slopes(height: _Field, top: int) -> tuple[_Field, _Field]:
    """Rise to the east and to the south, per width of the world, in a strip of rows."""
    n = len(height)
    rows = height.take(np.arange(top - 1, top + _STRIP + 1), axis=0, mode="wrap") * (n / 2)
    ring = np.concatenate((rows[1:-1, -1:], rows[1:-1], rows[1:-1, :1]), axis=1)
    return ring[:, 2:] - ring[:, :-2], rows[2:] - rows[:-2]


def _erode(height: _Field, rough: _Field, grooves: list[_Field]) -> _Field:
    """Add an octave: gullies down the slopes, as deep as those are steep, and roughness."""
    n, tile = len(height), len(rough)
    out = np.empty_like(height)
    for top in range(0, n, _STRIP):
        part = slice(top % tile, top % tile + _STRIP)
        east, south = (slope.reshape(_STRIP, -1, tile) for slope in _slopes(height, top))
        square = east * east + south * south + 1e-6
        # The double angle: a groove has a direction but no sense.
        double_cos, double_sin = (east * east - south * south) / square, 2 * east * south / square
        gully = np.zeros_like(east)
        for groove, (cosine, sine) in zip(grooves, _TURNS, strict=True):
            along = double_cos * (2 * cosine * cosine - 1) + double_sin * (2 * cosine * sine)
            np.maximum(along, 0, out=along)
            gully += along * along * groove[part, None]
        steep = np.sqrt(square)
        relief = gully * steep * 0.6 + rough[part, None] * (0.15 * steep + 0.6)
        out[top : top + _STRIP] = height[top : top + _STRIP] + relief.reshape(_STRIP, n) / n
    return out


def _palette() -> _Field:
    """Colours of every climate and, within it, of every elevation from -1 to 1."""
    names = [f"{_SEA} {land}".split() for land in _LAND]
    stops = np.array([[list(bytes.fromhex(name)) for name in row] for row in names], float)
    ice = np.array((0, 0, 0, 0.08, 0.2, 0.35))[:, None, None]
    stops[:, :5] += ice * (np.array((208, 224, 233)) - stops[:, :5])
    level = [np.interp(np.linspace(-1, 1, _LEVELS), _ELEVATIONS, row) for row in np.eye(12)]
    climate = [np.interp(np.linspace(0, 5, _CLIMATES), range(6), row) for row in np.eye(6)]
    table = np.einsum("rc,rsk,sl->clk", climate, stops, level).reshape(-1, 3)
    return np.asarray(table, np.float32)


def _shade(east: _Field, south: _Field) -> _Field:
    """Light of several suns, 45 degrees up, compared with level ground."""
    light = np.zeros_like(east)
    for to_east, to_south, weight in _SUNS:
        light += weight * np.maximum(1 - east * to_east - south * to_south, 0)
    light = light / np.sqrt(east * east + south * south + 1) - 1
    # Compressed, so that the far sides of steep ranges keep their colours.
    return np.asarray(light / (1 + 0.5 * np.abs(light)), np.float32)


def _paint(height: _Field, climate: _Field) -> NDArray[np.uint8]:
    """Tint by elevation and climate, shade, and line the coast."""
    size = len(height)
    table = _palette()
    image = np.empty((size, size, 3), np.uint8)
    for top in range(0, size, _STRIP):
        rows = slice(top, top + _STRIP)
        here = height[rows]
        level = np.clip((here + 1) * (_LEVELS / 2), 0, _LEVELS - 1).astype(np.int32)
        zone = np.clip(climate[rows] * (_CLIMATES / 5), 0, _CLIMATES - 1).astype(np.int32)
        tint = table.take(zone * _LEVELS + level, axis=0)
        east, south = _slopes(height, top)
        # Height over slope is the distance from the coast: a line about a pixel wide.
        away = np.abs(here) / (np.sqrt(east * east + south * south) * (1.3 / size) + 1e-7)
        coast = 0.72 + 0.28 * np.minimum(away, 1)
        zoom = np.where(here > 0, np.float32(0.03), np.float32(0.005))
        shade = _shade(east * zoom, south * zoom)
        dark, bright = np.minimum(shade, 0), np.maximum(shade, 0) * 0.9
        for band in range(3):
            plane = tint[..., band] * (1 + _SHADOW[band] * dark) * coast
            image[rows, :, band] = plane + (_GLOW[band] - plane) * bright
    return image


def draw_shaded_relief(size: int, seed: int = 7) -> NDArray[np.uint8]:
    """Draw an invented world: a square map whose left and right edges meet.

    Parameters
    ----------
    size
        Rows and columns, a power of two; the world is the same at each, in less detail.
    seed
        Which world.

    Returns
    -------
    ndarray
        RGB of shape (size, size, 3).
    """
    if size < 1 or size & (size - 1):
        raise ValueError(f"size must be a power of two, not {size}")
    if size < _BASE:
        return halve(draw_shaded_relief(2 * size, seed))
    height = _continents(seed)
    zones = np.interp(np.abs(np.linspace(-1, 1, _BASE)), _LATITUDES, _ZONES)[:, None]
    climate = np.asarray(zones + 0.4 * _noise(_BASE, (seed, 6), 1.8, (3, 60)), np.float32)
    while True:
        # The slopes choose from the noise, so a small tile of it repeats unseen.
        if (tile := len(height)) <= _TILE:
            band = (tile / 9, tile / 3.6)
            grooves = [_noise(tile, (seed, 4), 0.5, band, turn) for turn in range(len(_TURNS))]
            rough = _noise(tile, (seed, 5), 0.5, band)
        height = _erode(height, rough, grooves)
        if len(height) == size:
            return _paint(height, climate)
        height, climate = _double(height), _double(climate)


def halve(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average 2 x 2 pixels, rounding halves up: the next coarser level.

    Parameters
    ----------
    image
        Even numbers of rows and columns, any bands.

    Returns
    -------
    ndarray
        Half as many rows and columns.
    """
    rows = image[0::2].astype(np.uint16) + image[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)
