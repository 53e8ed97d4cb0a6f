"""Recompressed tiles seen from outside: what PyTurboJPEG decodes changes by what the rule says, and by nothing else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool._jpeg import recompress
from gptool.model import Tables
from helpers import jpegs, jpegs_seen
from helpers.jpeg_table import RECOMPRESSED, WITHOUT_CHROMINANCE
from helpers.jpegs_coded import Frame, Levels
from helpers.jpegs_made import APP14, tj, with_payload
from helpers.jpegs_rules import MODES, Steps, requantised
from helpers.jpegs_seen import levels

UNKNOWN_TO_TURBOJPEG = {
    "luminance sampled 3 x 1",
    "chrominance larger than luminance",
    "sampled 3 x 2, 2 x 1, 1 x 1",
    "two components",
}

TOLERANCE = 2 * (0.5 + 0.15)
"""Of the change between two decoded samples.

Each is rounded to a whole number, by 0.5 at most. Before that, libjpeg's integer transform keeps the columns' results
in steps of 1/4, 2 ** 1.5 times as large as they are: off by 0.5 / 4 / 2 ** 1.5 = 0.044 at most. A row adds up eight of
them, with weights whose sum is 2.64 or less: 0.117. The rest is for its constants, of 13 bits.
"""

K, N = np.mgrid[:8, :8]
DCT = np.where(K, 0.5, np.sqrt(0.125)) * np.cos((2 * N + 1) * K * np.pi / 16)


def samples(step: Steps, levels: Levels) -> NDArray[np.float64]:
    """Return the inverse transform of a component, exact, rounded nowhere, and without the middle grey's 128."""
    blocks = DCT.T @ (levels * step).reshape(*levels.shape[:2], 8, 8) @ DCT
    return blocks.swapaxes(1, 2).reshape(8 * len(blocks), -1)


def decoded(tile: bytes) -> list[NDArray[np.uint8]]:
    """Return the samples of each component, neither upsampled nor moved to another colour space."""
    turbo = tj.TurboJPEG()
    components = len(Frame.of(tile).sampling)
    if components == 3:
        return turbo.decode_to_yuv_planes(tile)
    if components == 1:
        return [turbo.decode(tile, tj.TJPF_GRAY)[..., 0]]
    tile = with_payload(tile, APP14, lambda adobe: adobe[:-1] + b"\0")  # CMYK is not converted, YCCK would be
    return list(np.moveaxis(turbo.decode(tile, tj.TJPF_CMYK), -1, 0))


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("kind", [kind for kind in RECOMPRESSED if kind not in UNKNOWN_TO_TURBOJPEG])
def test_samples_change_by_what_requantisation_takes(kind: str, tables: Tables) -> None:
    tile = jpegs.tile(kind)
    after = decoded(recompress(tile, 50, tables=tables)[0])
    before, old, own = decoded(tile), levels(tile), jpegs_seen.tables(tile)
    new = requantised(tile, 50, tables, luminance_only=kind in WITHOUT_CHROMINANCE)
    for component, slot in enumerate(Frame.of(tile).slots):
        planes = np.array([before[component], after[component]], float)
        inside = ((planes > 0) & (planes < 255)).all(axis=0)
        assert inside.mean() > 0.95
        down, across = inside.shape
        expected = (samples(*new[component]) - samples(own[slot], old[component]))[:down, :across]
        assert abs(planes[1] - planes[0] - expected)[inside].max() <= TOLERANCE
