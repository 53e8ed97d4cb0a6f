"""What becomes of each kind of JPEG: the table in native/README.md against the code, and what it says of results."""

import pytest

from gptool._jpeg import Outcome, recompress
from gptool.model import Tables
from helpers import jpegs
from helpers.jpeg_table import RECOMPRESSED, TABLE, rows
from helpers.jpegs_made import APP0, APP2, APP14, DHT, DQT, SOFS, SOS, segments
from helpers.jpegs_rules import MODES

# ---- the table ----


def test_the_table_has_every_kind_once() -> None:
    assert sorted(kind for kind, _ in rows()) == sorted({*jpegs.KINDS, *jpegs.ARITHMETIC})


def test_the_table_has_every_outcome() -> None:
    assert {outcome for _, outcomes in rows() for outcome in outcomes.values()} == set(Outcome) - {
        Outcome.NOT_REQUESTED
    }


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("kind", jpegs.KINDS)
def test_outcome_of_each_kind(kind: str, tables: Tables) -> None:
    tile = jpegs.tile(kind)
    output, outcome = recompress(tile, 50, tables=tables)
    assert outcome is TABLE[kind][tables]
    assert (len(output) < len(tile)) if outcome is Outcome.RECOMPRESSED else (output == tile)


# ---- what of a tile is kept and what is lost ----


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_the_result_is_the_same_image_in_baseline_huffman_coding(kind: str) -> None:
    tile = jpegs.tile(kind)
    output, _ = recompress(tile, 50)
    [frame] = [data for marker, data in segments(tile) if marker in SOFS]  # size, components, sampling, table slots
    sof = 0xC1 if kind == "16-bit tables" else 0xC0  # baseline has 8-bit tables only
    assert [part for part in segments(output) if part[0] in SOFS] == [(sof, frame)]
    assert output.count(bytes([0xFF, SOS])) == 1


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_of_the_other_segments_only_those_with_a_say_in_the_colours_stay(kind: str) -> None:
    """Of JFIF, version and density: a thumbnail does not."""
    tile = jpegs.tile(kind)
    before, after = (
        [part for part in segments(each) if part[0] not in {*SOFS, DQT, DHT, SOS}]
        for each in (tile, recompress(tile, 50)[0])
    )
    jfif = [(marker, data[:12] + b"\0\0") for marker, data in before if (marker, data[:5]) == (APP0, b"JFIF\0")]
    icc = [part for part in before if part[0] == APP2 and part[1].startswith(b"ICC_PROFILE\0")]
    assert after == [*jfif, *icc, *(part for part in before if part[0] == APP14)]


SAME_IMAGE = {
    "4:2:0": [
        "all tables in one DQT and one DHT",
        "standard Huffman tables left out",
        "XMP",
        "JFIF with thumbnail",
        "JFXX thumbnail",
        "fill bytes before markers",
        "bytes after the end",
        "two images",
        *(kind for kind in jpegs.ARITHMETIC if kind in jpegs.KINDS),
    ],
    "optimised": ["progressive", "restart markers", "EXIF", "comment", "multi-picture (MPF)"],
    "a scan for each component": ["a table that comes between the scans"],
}


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize(("kind", "other"), [(kind, other) for kind, others in SAME_IMAGE.items() for other in others])
def test_the_result_is_the_same_however_the_image_was_coded(kind: str, other: str, tables: Tables) -> None:
    assert recompress(jpegs.tile(other), 50, tables=tables) == recompress(jpegs.tile(kind), 50, tables=tables)


def test_huffman_tables_are_made_for_the_tile() -> None:
    """The standard ones name all 2 * (12 + 162) symbols, a small tile needs few."""
    tile = jpegs.tile("4:2:0")
    before, after = (
        sum(len(data) for marker, data in segments(each) if marker == DHT) for each in (tile, recompress(tile, 50)[0])
    )
    assert before == 4 * 17 + 2 * (12 + 162)
    assert after < before / 2
