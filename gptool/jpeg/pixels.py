"""JPEG tiles to pixels and back, for the thumbnail and the demo. The only module that imports PyTurboJPEG."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptool import _jpeg
from gptool.errors import GptoolError

SHIPPED = Path(__file__).parents[1] / "libjpeg_turbo"
"""The folder of the library in wheels that bring one."""


@cache
def _library() -> Any:
    from turbojpeg import TurboJPEG

    shipped = next(SHIPPED.glob("*turbojpeg.*"), None)
    try:
        return TurboJPEG(str(shipped)) if shipped else TurboJPEG()
    except (OSError, RuntimeError) as error:
        raise GptoolError(
            "libturbojpeg was not found; install libturbojpeg0 (Debian), libturbojpeg (Ubuntu), turbojpeg (Fedora) "
            "or jpeg-turbo (Homebrew)"
        ) from error


def library_function() -> Any:
    """Return a function of the library that PyTurboJPEG has loaded, for those who ask which library that is.

    Raises
    ------
    GptoolError
        If the library was not found.
    """
    return vars(_library())["_TurboJPEG__init_decompress"]  # it has no public name


def decode(tile: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a JPEG tile.

    Returns
    -------
    uint8[rows, columns, 3]
        RGB.

    Raises
    ------
    OSError
        If the tile is damaged, larger than 8192 pixels a side, or has a colour space that cannot be converted to RGB.
    """
    from turbojpeg import TJPF_RGB

    # Checked first: a header may declare any size, and PyTurboJPEG turns libjpeg-turbo's warnings into Python's, whose
    # filters belong to the whole process.
    damage, text = _jpeg.diagnose(tile)
    if damage:
        raise OSError(text)
    pixels: NDArray[np.uint8] = _library().decode(tile, TJPF_RGB)
    return pixels


def encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Return a JPEG tile with 4:2:0 chroma subsampling.

    Parameters
    ----------
    pixels : uint8[rows, columns, 3]
        RGB.
    quality : int
        The IJG quality, 1 to 100.
    """
    from turbojpeg import TJPF_RGB, TJSAMP_420

    tile: bytes = _library().encode(np.ascontiguousarray(pixels), quality, TJPF_RGB, TJSAMP_420)
    return tile
