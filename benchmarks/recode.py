"""Recompression by libjpeg-turbo itself: recode.c, built for the run."""

from __future__ import annotations

import ctypes
import shlex
import subprocess
from enum import IntEnum
from pathlib import Path

import numpy as np
from inputs import Tiles
from numpy.typing import NDArray
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.sysconfig import customize_compiler

SOURCE = Path(__file__).with_name("recode.c")
MAX_HEADER_SIZE = 1024
"""Bytes for the headers and tables of a result."""


class Mode(IntEnum):
    """What is done with the coefficients; the values are those of recode.c."""

    READ_ONLY = 0
    STANDARD_TABLES = 1
    OPTIMIZE_CODING = 2


def _flags(kind: str) -> list[str]:
    try:
        found = subprocess.run(["pkg-config", kind, "libjpeg"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ["-ljpeg"] if kind == "--libs" else []
    return shlex.split(found.stdout)


class Recoder:
    """Requantises tiles by the rule of efficient tables, in one call without the GIL."""

    def __init__(self, folder: Path) -> None:
        """Build recode.c in a folder, with the compiler options of the core."""
        compiler = new_compiler()
        customize_compiler(compiler)
        compile_flags = ["-std=c11", "-O3", *_flags("--cflags")]
        objects = compiler.compile([str(SOURCE)], output_dir=str(folder), extra_preargs=compile_flags)
        library = folder / "recode.so"
        compiler.link_shared_object(objects, str(library), extra_postargs=_flags("--libs"))
        self._recode_tiles = ctypes.CDLL(str(library)).recode_tiles
        buffer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
        self._recode_tiles.argtypes = [buffer, buffer, buffer, size, number, number, buffer, size, buffer]

    def recode(self, tiles: Tiles, quality: int, mode: Mode) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return the results one after the other, and their sizes. A quality of 100 changes no coefficient."""
        output = np.empty(2 * tiles.source.size + MAX_HEADER_SIZE * len(tiles.cut), np.uint8)
        sizes = np.empty(len(tiles.cut), np.uint32)
        source = (part.ctypes.data for part in (tiles.source, tiles.offsets, tiles.sizes))
        done = self._recode_tiles(
            *source, sizes.size, quality, mode, output.ctypes.data, output.size, sizes.ctypes.data
        )
        assert done
        return output[: sizes.sum()], sizes
