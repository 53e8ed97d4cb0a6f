"""JPEG tiles to pixels and back, where pixels are needed: the thumbnail, the demo. Only here: PyTurboJPEG."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptool import _jpeg
from gptool.errors import GptoolError


@cache
def _library() -> Any:
    from turbojpeg import TurboJPEG

    try:
        return TurboJPEG()
    except (OSError, RuntimeError) as error:
        raise GptoolError(
            "libturbojpeg was not found: install libturbojpeg0 (Debian), libturbojpeg (Ubuntu), turbojpeg (Fedora) "
            "or jpeg-turbo (Homebrew)"
        ) from error


def decode(tile: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a JPEG tile, RGB, of shape (rows, columns, 3).

    Raises
    ------
    OSError
        When the tile is damaged, larger than 8192 pixels a side, or of a colour space that RGB can't be had of.
    """
    from turbojpeg import TJPF_RGB

    # Asked first: a header may promise any size, and libjpeg-turbo's warnings would come as Python's, whose filters
    # belong to the whole process.
    damage, text = _jpeg.diagnose(tile)
    if damage:
        raise OSError(text)
    pixels: NDArray[np.uint8] = _library().decode(tile, TJPF_RGB)
    return pixels


def encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Return a JPEG tile, 4:2:0, of RGB pixels of shape (rows, columns, 3); `quality` 1..100."""
    from turbojpeg import TJPF_RGB, TJSAMP_420

    tile: bytes = _library().encode(np.ascontiguousarray(pixels), quality, TJPF_RGB, TJSAMP_420)
    return tile
