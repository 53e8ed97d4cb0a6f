"""Readers of JPEG tiles that share no code with gptool."""

import ctypes
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import turbojpeg as tj
from numpy.typing import NDArray

from gptool.jpeg.pixels import SHIPPED
from helpers import jpeg_huffman
from helpers.jpeg_huffman import ZIGZAG, Coefficients
from helpers.jpeg_tiles import DQT, EOI, read_segments


def read_qtables(tile: bytes) -> dict[int, NDArray[np.int64]]:
    """Return the quantisation tables by slot, natural order, including those between scans."""
    *header, (_, scans) = read_segments(tile)
    payloads = [payload for marker, payload in header if marker == DQT]
    image = scans[: scans.find(EOI)]
    late = re.finditer(re.escape(bytes([0xFF, DQT])) + b"(..)", image, re.DOTALL)
    payloads += [image[found.end() : found.end() - 2 + int.from_bytes(found[1])] for found in late]
    tables = {}
    for payload in payloads:
        at = 0
        while at < len(payload):
            wide, slot = divmod(payload[at], 16)
            table = np.frombuffer(payload, ">u2" if wide else "u1", 64, at + 1)
            tables[slot] = np.empty(64, np.int64)
            tables[slot][ZIGZAG] = table
            at += 1 + table.nbytes
    return tables


def read_coefficients(tile: bytes) -> list[Coefficients]:
    """Return the quantised coefficients of each component.

    TurboJPEG's transform passes them to a filter, one row of blocks at a time. It supports the usual sampling factors
    only; for others the decoder of `jpeg_huffman` is used.
    """
    rows: dict[int, list[Coefficients]] = {}

    def filter_rows(coefficients: Any, array: Any, plane: Any, component: int, _index: int, _transform: int) -> int:
        row = np.ctypeslib.as_array(coefficients, (array.h // 8, array.w // 8, 64)).astype(np.int64)
        if array.y < plane.h:  # rows that only pad the last MCU are passed too
            rows.setdefault(component, []).append(row)
        return 0

    library = _turbojpeg()
    transform = tj.TransformStruct(op=tj.TJXOP_NONE, customFilter=tj.CUSTOMFILTER(filter_rows))
    handle, result, size = library.tjInitTransform(), ctypes.c_void_p(), ctypes.c_ulong()
    try:
        arguments = (ctypes.byref(result), ctypes.byref(size), ctypes.byref(transform))
        failed = library.tjTransform(handle, tile, ctypes.c_ulong(len(tile)), 1, *arguments, 0)
    finally:
        library.tjFree(result)
        library.tjDestroy(handle)
    if failed:
        return jpeg_huffman.read_coefficients(tile)
    return [np.concatenate(rows[component]) for component in sorted(rows)]


@cache
def _turbojpeg() -> ctypes.CDLL:
    paths = [
        *map(str, SHIPPED.glob("*turbojpeg.*")),
        tj.find_library("turbojpeg"),
        *(path for paths in tj.DEFAULT_LIB_PATHS.values() for path in paths),
    ]
    library = ctypes.CDLL(next(path for path in paths if path and (os.sep not in path or Path(path).exists())))
    library.tjInitTransform.restype = ctypes.c_void_p
    library.tjDestroy.argtypes = library.tjFree.argtypes = [ctypes.c_void_p]
    library.tjTransform.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library
