"""A map of an imaginary world, drawn as shaded relief.

The terrain starts as noise on a coarse grid. Each doubling of the grid adds gullies and roughness at its own scale, and
the final grid is coloured by elevation and climate, and shaded.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
"""Values on a square grid of the world, [size, size]; the left and right, and the top and bottom edges meet."""

BASE_SIZE: Final = 256
"""Rows and columns of the first, coarsest grid."""

MAX_NOISE_SIZE: Final = 512
"""Maximum rows and columns of generated noise; larger grids repeat it."""

STRIP_ROWS: Final = 16
"""Rows that are processed together, so that they stay in the processor's cache."""

DIRECTIONS: Final = [(float(np.cos(a)), float(np.sin(a))) for a in np.arange(6) * np.pi / 6]
"""Cosine and sine of the directions of gullies, every 30 degrees."""

ELEVATION_STEPS: Final = 1024
CLIMATE_STEPS: Final = 64
"""Rows and columns of the colour table."""

ELEVATION_STOPS: Final = (-0.85, -0.45, -0.16, -0.05, 0, 0.001, 0.06, 0.15, 0.28, 0.44, 0.6, 0.72)
"""Elevations of the colours below, from -1 to 1; the sea level is 0."""

SEA_COLOURS: Final = "274a7e 386a9f 5f95bf 93bfd8 bcdae6"
LAND_COLOURS: Final = (  # desert, steppe, forest, taiga, tundra, ice
    "e7d8ae e6d3a4 dfc08d cda97c b58d6e ad9483 f1ede7",
    "c3c993 d0cd9a dac995 cbae80 ad896b a69081 f6f4f1",
    "86aa75 a1bb7e c8c992 c9b286 a88b6d ac9f94 fbfaf8",
    "80a07e 99af8a b9ba9b b7a98c a5998c d4d1cd fdfdfd",
    "acb6a2 bbc0ad c6c5b7 c3bdb3 d0cbc6 efeeec ffffff",
    "e7edf0 edf2f4 f1f4f6 f5f7f8 f9fafa fdfdfd ffffff",
)
LATITUDES: Final = (0, 0.14, 0.27, 0.38, 0.5, 0.66, 0.8, 0.92)
CLIMATES: Final = (2.1, 1.9, 0.3, 0.4, 2, 3, 4, 5)
"""Climate, an index into `LAND_COLOURS`, at each of `LATITUDES`, from 0 at the equator to 1 at the pole."""

LIGHTS: Final = ((-0.707, -0.707, 0.6), (-1, 0, 0.15), (0, -1, 0.15), (-0.707, 0.707, 0.1))
"""Light sources: direction to the east and to the south, and weight."""

SHADOW_STRENGTH: Final = (0.85, 0.8, 0.62)
"""Strength of the shadows in red, green and blue: they turn blue."""

HIGHLIGHT_COLOUR: Final = (255, 250, 236)
"""Colour of fully lit slopes: cream."""


def _noise(
    size: int, key: tuple[int, int], power: float, band: tuple[float, float], direction: int | None = None
) -> Grid:
    """Generate periodic noise with a power-law spectrum.

    Parameters
    ----------
    size : int
        Rows and columns.
    key : tuple of int
        Seed of the random numbers.
    power : float
        Exponent of the spectrum.
    band : tuple of float
        Lowest and highest wave number, cycles per width.
    direction : int, optional
        Index into `DIRECTIONS` along which the crests run; by default the noise is isotropic.
    """
    rng = np.random.default_rng((*key, size, 0 if direction is None else direction + 1))
    waves = rng.standard_normal((size, size + 2), dtype=np.float32).view(np.complex64)
    fy, fx = np.fft.fftfreq(size, 1 / size)[:, None], np.arange(size // 2 + 1)
    radius = np.maximum(np.hypot(fx, fy), 0.1)
    gain = radius**-power * np.exp(-((band[0] / radius) ** 4) - (radius / band[1]) ** 4)
    if direction is not None:
        cosine, sine = DIRECTIONS[direction]
        gain *= ((fy * cosine - fx * sine) / radius) ** 10
    noise = np.fft.irfft2(waves * gain.astype(np.float32), s=(size, size))
    return np.asarray(noise / noise.std(), np.float32)


def _make_continents(seed: int) -> Grid:
    """Return the elevation of continents, mountain belts and island arcs on the coarsest grid."""
    land = _noise(BASE_SIZE, (seed, 0), 2.1, (1.7, 90))
    land -= np.quantile(land, 0.62)
    belts = np.exp(np.abs(_noise(BASE_SIZE, (seed, 1), 2.2, (2.2, 60))) / -0.3)
    belts /= 1 + np.exp(-2.5 * _noise(BASE_SIZE, (seed, 2), 2, (1.5, 12)) - 0.4)
    crags = 1 - np.abs(_noise(BASE_SIZE, (seed, 3), 1.2, (14, 70)))
    peaks = belts * (0.7 + 0.36 * crags) * np.clip(0.85 + 0.5 * land, 0.48, 1)
    return np.asarray(np.where(land > 0, 0.22, 0.8) * np.tanh(0.6 * land) + peaks, np.float32)


def _double(grid: Grid) -> Grid:
    """Return the grid with twice the rows and columns, interpolated bilinearly."""
    size = len(grid)
    tall, wide = np.empty((2 * size, size), np.float32), np.empty((2 * size, 2 * size), np.float32)
    for odd in (0, 1):
        tall[odd::2] = 0.75 * grid + 0.25 * np.roll(grid, 1 - 2 * odd, 0)
    for odd in (0, 1):
        wide[:, odd::2] = 0.75 * tall + 0.25 * np.roll(tall, 1 - 2 * odd, 1)
    return wide


def _slopes(height: Grid, top: int) -> tuple[Grid, Grid]:
    """Return the slopes to the east and to the south of a strip of rows, per width of the world."""
    size = len(height)
    rows = height.take(np.arange(top - 1, top + STRIP_ROWS + 1), axis=0, mode="wrap") * (size / 2)
    wrapped = np.concatenate((rows[1:-1, -1:], rows[1:-1], rows[1:-1, :1]), axis=1)
    return wrapped[:, 2:] - wrapped[:, :-2], rows[2:] - rows[:-2]


def _add_detail(height: Grid, roughness: Grid, gullies: list[Grid]) -> Grid:
    """Return the terrain with gullies down the slopes, deeper where these are steeper, and with roughness.

    Parameters
    ----------
    height : Grid
        The terrain.
    roughness : Grid
        Isotropic noise, of the same size or repeated.
    gullies : list of Grid
        Noise for each of `DIRECTIONS`, of the size of `roughness`.
    """
    size, noise_size = len(height), len(roughness)
    detailed = np.empty_like(height)
    for top in range(0, size, STRIP_ROWS):
        noise_rows = slice(top % noise_size, top % noise_size + STRIP_ROWS)
        east, south = (slope.reshape(STRIP_ROWS, -1, noise_size) for slope in _slopes(height, top))
        square = east * east + south * south + 1e-6
        # The doubled angle, as opposite directions are the same for a gully.
        double_cos, double_sin = (east * east - south * south) / square, 2 * east * south / square
        depth = np.zeros_like(east)
        for gully, (cosine, sine) in zip(gullies, DIRECTIONS, strict=True):
            along = double_cos * (2 * cosine * cosine - 1) + double_sin * (2 * cosine * sine)
            np.maximum(along, 0, out=along)
            depth += along * along * gully[noise_rows, None]
        steepness = np.sqrt(square)
        detail = depth * steepness * 0.6 + roughness[noise_rows, None] * (0.15 * steepness + 0.6)
        detailed[top : top + STRIP_ROWS] = height[top : top + STRIP_ROWS] + detail.reshape(STRIP_ROWS, size) / size
    return detailed


def _make_colour_table() -> Grid:
    """Return RGB colours, [CLIMATE_STEPS * ELEVATION_STEPS, 3], for each climate and elevation."""
    rows = [f"{SEA_COLOURS} {land}".split() for land in LAND_COLOURS]
    stops = np.array([[list(bytes.fromhex(colour)) for colour in row] for row in rows], float)
    sea_ice = np.array((0, 0, 0, 0.08, 0.2, 0.35))[:, None, None]
    stops[:, :5] += sea_ice * (np.array((208, 224, 233)) - stops[:, :5])
    elevation = [np.interp(np.linspace(-1, 1, ELEVATION_STEPS), ELEVATION_STOPS, row) for row in np.eye(12)]
    climate = [np.interp(np.linspace(0, 5, CLIMATE_STEPS), range(6), row) for row in np.eye(6)]
    table = np.einsum("rc,rsk,sl->clk", climate, stops, elevation).reshape(-1, 3)
    return np.asarray(table, np.float32)


def _shade(east: Grid, south: Grid) -> Grid:
    """Return the light of all sources, 45 degrees above the horizon, on slopes relative to that on level ground."""
    light = np.zeros_like(east)
    for to_east, to_south, weight in LIGHTS:
        light += weight * np.maximum(1 - east * to_east - south * to_south, 0)
    light = light / np.sqrt(east * east + south * south + 1) - 1
    # Compressed, so that the shaded sides of steep mountains keep their colours.
    return np.asarray(light / (1 + 0.5 * np.abs(light)), np.float32)


def _paint(height: Grid, climate: Grid) -> NDArray[np.uint8]:
    """Return the RGB image: coloured by elevation and climate, shaded, and with coastlines."""
    size = len(height)
    table = _make_colour_table()
    image = np.empty((size, size, 3), np.uint8)
    for top in range(0, size, STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        strip = height[rows]
        elevation_step = np.clip((strip + 1) * (ELEVATION_STEPS / 2), 0, ELEVATION_STEPS - 1).astype(np.int32)
        climate_step = np.clip(climate[rows] * (CLIMATE_STEPS / 5), 0, CLIMATE_STEPS - 1).astype(np.int32)
        tint = table.take(climate_step * ELEVATION_STEPS + elevation_step, axis=0)
        east, south = _slopes(height, top)
        # Height divided by slope is the distance from the coast: the line is about a pixel wide.
        distance = np.abs(strip) / (np.sqrt(east * east + south * south) * (1.3 / size) + 1e-7)
        coast = 0.72 + 0.28 * np.minimum(distance, 1)
        exaggeration = np.where(strip > 0, np.float32(0.03), np.float32(0.005))
        shade = _shade(east * exaggeration, south * exaggeration)
        dark, bright = np.minimum(shade, 0), np.maximum(shade, 0) * 0.9
        for band in range(3):
            plane = tint[..., band] * (1 + SHADOW_STRENGTH[band] * dark) * coast
            image[rows, :, band] = plane + (HIGHLIGHT_COLOUR[band] - plane) * bright
    return image


def draw_shaded_relief(size: int, seed: int = 7) -> NDArray[np.uint8]:
    """Draw a square map of an imaginary world, whose left and right edges meet.

    Parameters
    ----------
    size : int
        Rows and columns, pixels; a power of two. All sizes show the same world, in more or less detail.
    seed : int
        Seed of the random numbers; each makes another world.

    Returns
    -------
    uint8[size, size, 3]
        The RGB image.

    Raises
    ------
    ValueError
        If `size` is not a power of two.
    """
    if size < 1 or size & (size - 1):
        raise ValueError(f"size is not a power of two; found {size}")
    if size < BASE_SIZE:
        return halve(draw_shaded_relief(2 * size, seed))
    height = _make_continents(seed)
    zones = np.interp(np.abs(np.linspace(-1, 1, BASE_SIZE)), LATITUDES, CLIMATES)[:, None]
    climate = np.asarray(zones + 0.4 * _noise(BASE_SIZE, (seed, 6), 1.8, (3, 60)), np.float32)
    while True:
        # Larger grids repeat the noise; it is not noticed, as the slopes select from it.
        if (noise_size := len(height)) <= MAX_NOISE_SIZE:
            band = (noise_size / 9, noise_size / 3.6)
            gullies = [_noise(noise_size, (seed, 4), 0.5, band, direction) for direction in range(len(DIRECTIONS))]
            roughness = _noise(noise_size, (seed, 5), 0.5, band)
        height = _add_detail(height, roughness, gullies)
        if len(height) == size:
            return _paint(height, climate)
        height, climate = _double(height), _double(climate)


def halve(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image at half the resolution: the mean of each 2 x 2 pixels, halves rounded up.

    Parameters
    ----------
    image : uint8[rows, columns, bands]
        The image; rows and columns are even.

    Returns
    -------
    uint8[rows / 2, columns / 2, bands]
    """
    rows = image[0::2].astype(np.uint16) + image[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)
