"""Decoded samples of recompressed tiles: they change by what requantisation changes, and by nothing else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool._jpeg import recompress
from gptool.model import Tables
from helpers import jpeg_kinds, jpeg_readers
from helpers.jpeg_huffman import Coefficients, Frame
from helpers.jpeg_outcomes import RECOMPRESSED, WITHOUT_CHROMINANCE
from helpers.jpeg_readers import read_coefficients
from helpers.jpeg_requantisation import TABLE_MODES, Steps, requantise
from helpers.jpeg_tiles import APP14, TURBO, tj, with_payload

UNSUPPORTED_BY_TURBOJPEG = {
    "luminance sampled 3 x 1",
    "chrominance larger than luminance",
    "sampled 3 x 2, 2 x 1, 1 x 1",
    "two components",
}

TOLERANCE = 2 * (0.5 + 0.15)
"""For the change between two decoded samples.

Each sample is rounded to an integer: an error of at most 0.5. Before that, libjpeg's integer transform stores the
results of columns in steps of 1/4, scaled by 2 ** 1.5: an error of at most 0.5 / 4 / 2 ** 1.5 = 0.044. A row sums eight
of them with weights whose sum is at most 2.64: 0.117. The rest allows for its constants of 13 bits.
"""

K, N = np.mgrid[:8, :8]
DCT = np.where(K, 0.5, np.sqrt(0.125)) * np.cos((2 * N + 1) * K * np.pi / 16)


def inverse_dct(step: Steps, coefficients: Coefficients) -> NDArray[np.float64]:
    """Return the exact inverse transform of a component, without rounding and without the level shift of 128."""
    blocks = DCT.T @ (coefficients * step).reshape(*coefficients.shape[:2], 8, 8) @ DCT
    return blocks.swapaxes(1, 2).reshape(8 * len(blocks), -1)


def decode_components(tile: bytes) -> list[NDArray[np.uint8]]:
    """Return the samples of each component, without upsampling and colour conversion."""
    components = len(Frame.of(tile).sampling)
    if components == 3:
        return TURBO.decode_to_yuv_planes(tile)
    if components == 1:
        return [TURBO.decode(tile, tj.TJPF_GRAY)[..., 0]]
    tile = with_payload(tile, APP14, lambda adobe: adobe[:-1] + b"\0")  # CMYK is not converted, YCCK would be
    return list(np.moveaxis(TURBO.decode(tile, tj.TJPF_CMYK), -1, 0))


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("kind", [kind for kind in RECOMPRESSED if kind not in UNSUPPORTED_BY_TURBOJPEG])
def test_samples_change_only_by_requantisation(kind: str, tables: Tables) -> None:
    tile = jpeg_kinds.tile(kind)
    after = decode_components(recompress(tile, 50, tables=tables)[0])
    before, old, own = decode_components(tile), read_coefficients(tile), jpeg_readers.read_qtables(tile)
    new = requantise(tile, 50, tables, luminance_only=kind in WITHOUT_CHROMINANCE)
    for component, slot in enumerate(Frame.of(tile).slots):
        planes = np.array([before[component], after[component]], float)
        inside = ((planes > 0) & (planes < 255)).all(axis=0)
        assert inside.mean() > 0.95
        down, across = inside.shape
        expected = (inverse_dct(*new[component]) - inverse_dct(own[slot], old[component]))[:down, :across]
        assert abs(planes[1] - planes[0] - expected)[inside].max() <= TOLERANCE
