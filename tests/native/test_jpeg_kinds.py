"""What becomes of each kind of JPEG: the table in native/README.md against the code, and what it says of results."""

import pytest

from gptool._jpeg import Outcome, recompress
from gptool.model import Tables
from helpers import jpeg_kinds
from helpers.jpeg_outcomes import OUTCOMES, RECOMPRESSED, read_rows
from helpers.jpeg_requantisation import TABLE_MODES
from helpers.jpeg_tiles import APP0, APP2, APP14, DHT, DQT, SOFS, SOS, read_segments

# ---- the table ----


def test_table_has_every_kind_once() -> None:
    assert sorted(kind for kind, _ in read_rows()) == sorted({*jpeg_kinds.KINDS, *jpeg_kinds.ARITHMETIC})


def test_table_has_every_outcome() -> None:
    assert {outcome for _, outcomes in read_rows() for outcome in outcomes.values()} == set(Outcome) - {
        Outcome.NOT_REQUESTED
    }


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("kind", jpeg_kinds.KINDS)
def test_outcome_of_each_kind(kind: str, tables: Tables) -> None:
    tile = jpeg_kinds.tile(kind)
    output, outcome = recompress(tile, 50, tables=tables)
    assert outcome is OUTCOMES[kind][tables]
    assert (len(output) < len(tile)) if outcome in (Outcome.RECOMPRESSED, Outcome.OPTIMISED) else (output == tile)


# ---- what is kept and what is dropped ----


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_result_is_the_same_image_in_baseline_huffman_coding(kind: str) -> None:
    tile = jpeg_kinds.tile(kind)
    output, _ = recompress(tile, 50)
    # Of the frame: size, components, sampling factors and table slots.
    [frame] = [data for marker, data in read_segments(tile) if marker in SOFS]
    sof = 0xC1 if kind == "16-bit tables" else 0xC0  # baseline has 8-bit tables only
    assert [part for part in read_segments(output) if part[0] in SOFS] == [(sof, frame)]
    assert output.count(bytes([0xFF, SOS])) == 1


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_only_other_segments_about_colours_are_kept(kind: str) -> None:
    """Of JFIF, version and density are kept, but not the thumbnail."""
    tile = jpeg_kinds.tile(kind)
    before, after = (
        [part for part in read_segments(each) if part[0] not in {*SOFS, DQT, DHT, SOS}]
        for each in (tile, recompress(tile, 50)[0])
    )
    jfif = [(marker, data[:12] + b"\0\0") for marker, data in before if (marker, data[:5]) == (APP0, b"JFIF\0")]
    icc = [part for part in before if part[0] == APP2 and part[1].startswith(b"ICC_PROFILE\0")]
    assert after == [*jfif, *icc, *(part for part in before if part[0] == APP14)]


SAME_IMAGE = {
    "4:2:0": [
        "all tables in one DQT and one DHT",
        "without Huffman tables",
        "XMP",
        "JFIF with thumbnail",
        "JFXX thumbnail",
        "fill bytes before markers",
        "trailing bytes",
        "two images",
        *(kind for kind in jpeg_kinds.ARITHMETIC if kind in jpeg_kinds.KINDS),
    ],
    "optimised": ["progressive", "restart markers", "EXIF", "comment", "multi-picture (MPF)"],
    "one scan per component": ["table defined between the scans"],
}


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize(("kind", "other"), [(kind, other) for kind, others in SAME_IMAGE.items() for other in others])
def test_result_does_not_depend_on_the_coding_of_the_image(kind: str, other: str, tables: Tables) -> None:
    assert recompress(jpeg_kinds.tile(other), 50, tables=tables) == recompress(jpeg_kinds.tile(kind), 50, tables=tables)


def test_huffman_tables_are_optimised_for_the_tile() -> None:
    """The standard tables have all 2 * (12 + 162) symbols, a small tile needs few."""
    tile = jpeg_kinds.tile("4:2:0")
    before, after = (
        sum(len(data) for marker, data in read_segments(each) if marker == DHT)
        for each in (tile, recompress(tile, 50)[0])
    )
    assert before == 4 * 17 + 2 * (12 + 162)
    assert after < before / 2
