"""Tiles of encoders whose quantisation tables are not IJG's: mozjpeg and jpegli, by the tables that they write."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gptool._jpeg import Outcome, quality, read_tables, recompress
from gptool.model import Tables
from helpers.jpeg_batches import batch
from helpers.jpeg_huffman import Frame
from helpers.jpeg_readers import read_coefficients, read_qtables
from helpers.jpeg_requantisation import TABLE_MODES, requantise, table_quality

DECLARED = 75
"""The quality that both encoders were asked for, and that a cache of their tiles declares."""

Table = NDArray[Any]


class Encoder(NamedTuple):
    """The tables of an encoder at quality 75, in natural order, and what they read as on the scale of the IJG."""

    luminance: Table
    chrominance: Table
    qualities: tuple[int, int]


def mozjpeg() -> Encoder:
    """Return the tables of mozjpeg 4, which has one table for both: its predefined table 3, by N. Robidoux, halved."""
    table = np.array(
        (
            (8, 8, 8, 9, 13, 19, 28, 43),
            (8, 9, 10, 14, 17, 20, 27, 38),
            (8, 10, 12, 16, 22, 31, 46, 68),
            (9, 14, 16, 20, 27, 37, 53, 78),
            (13, 17, 22, 27, 35, 47, 66, 95),
            (19, 20, 31, 37, 47, 62, 85, 119),
            (28, 27, 46, 53, 66, 85, 113, 156),
            (43, 38, 68, 78, 95, 119, 156, 209),
        ),
        np.uint16,
    )
    return Encoder(table, table, (61, 74))


def jpegli() -> Encoder:
    """Return the tables of jpegli for 4:2:0, computed from the base matrices and scales of lib/jpegli/quant.cc."""
    luminance = (
        (6, 7, 13, 12, 17, 17, 19, 19),
        (7, 9, 12, 13, 17, 16, 20, 20),
        (13, 12, 14, 16, 18, 19, 19, 21),
        (12, 13, 16, 17, 21, 23, 23, 23),
        (17, 17, 18, 21, 23, 25, 28, 27),
        (17, 16, 19, 23, 25, 27, 25, 30),
        (19, 20, 19, 23, 28, 25, 27, 27),
        (19, 20, 21, 23, 27, 30, 27, 22),
    )
    chrominance = (
        (6, 6, 11, 10, 13, 12, 15, 16),
        (6, 8, 11, 9, 12, 11, 14, 14),
        (11, 11, 11, 10, 12, 13, 13, 15),
        (10, 9, 10, 11, 14, 13, 14, 16),
        (13, 12, 12, 14, 10, 16, 12, 15),
        (12, 11, 13, 13, 16, 14, 16, 23),
        (15, 14, 13, 14, 12, 16, 25, 23),
        (16, 14, 15, 16, 15, 23, 23, 193),
    )
    return Encoder(np.array(luminance, np.uint16), np.array(chrominance, np.uint16), (83, 91))


ENCODERS = [mozjpeg(), jpegli()]


def encode(encoder: Encoder) -> bytes:
    """Return a tile of coloured noise with the tables of an encoder."""
    pixels = np.random.default_rng(7).integers(0, 256, (12, 12, 3), np.uint8)
    tables = [table.ravel().tolist() for table in (encoder.luminance, encoder.chrominance)]
    file = io.BytesIO()
    Image.fromarray(pixels).resize((96, 96)).save(file, "JPEG", qtables=tables, subsampling="4:2:0")
    return file.getvalue()


def coefficients(tile: bytes) -> list[tuple[Table, NDArray[np.int16]]]:
    """Return the table and the quantised coefficients of each component."""
    tables = read_qtables(tile)
    return [(tables[slot], plane) for slot, plane in zip(Frame.of(tile).slots, read_coefficients(tile), strict=True)]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_tables_are_foreign_and_their_quality_is_an_estimate(encoder: Encoder) -> None:
    tile = encode(encoder)
    assert round(quality(tile) or 0) == encoder.qualities[0]
    assert round(table_quality(encoder.chrominance.ravel(), 1)) == encoder.qualities[1]
    assert read_tables(*batch([tile]))[1].tolist() == [True]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("request_", [75, 80, 90, 100])
def test_requests_from_the_declared_quality_on_keep_the_coefficients(encoder: Encoder, request_: int) -> None:
    tile = encode(encoder)
    output, outcome = recompress(tile, request_, declared_quality=DECLARED)
    assert outcome in (Outcome.OPTIMISED, Outcome.KEPT_QUALITY)
    for (own, before), (step, after) in zip(coefficients(tile), coefficients(output), strict=True):
        np.testing.assert_array_equal(step, own)
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("request_", range(30, 75, 4))
def test_requests_below_the_declared_quality_judge_each_table(encoder: Encoder, tables: Tables, request_: int) -> None:
    tile = encode(encoder)
    output, outcome = recompress(tile, request_, tables=tables, declared_quality=DECLARED)
    expected = requantise(tile, request_, tables, luminance_only=False)
    found, own = coefficients(output), [table for table, _ in coefficients(tile)]
    for (step, values), (expected_step, expected_values), own_step in zip(found, expected, own, strict=True):
        np.testing.assert_array_equal(step, expected_step)
        np.testing.assert_array_equal(values, expected_values)
        assert (step >= own_step).all()
    is_changed = any((step != own_step).any() for (step, _), own_step in zip(found, own, strict=True))
    assert is_changed == (outcome == Outcome.RECOMPRESSED)


def test_finer_chrominance_is_not_left_untouched() -> None:
    """The luminance of mozjpeg reads 61, its chrominance 74: a request between them changes chrominance alone."""
    tile = encode(mozjpeg())
    output, outcome = recompress(tile, 66, declared_quality=DECLARED)
    assert outcome == Outcome.RECOMPRESSED
    assert len(output) < len(tile)
    changed = [
        bool((step != own).any()) for (own, _), (step, _) in zip(coefficients(tile), coefficients(output), strict=True)
    ]
    assert changed == [False, True, True]
