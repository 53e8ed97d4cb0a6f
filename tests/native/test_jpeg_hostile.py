"""Truncated, mutated and contradictory tiles and decompression bombs: each has an outcome and a diagnosis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool._jpeg import Damage, Outcome, diagnose, quality, recompress, recompress_batch
from gptool.model import Tables
from helpers import jpeg_kinds
from helpers.jpeg_batches import property_test
from helpers.jpeg_outcomes import OUTCOMES, RECOMPRESSED
from helpers.jpeg_requantisation import TABLE_MODES
from helpers.jpeg_tiles import (
    APP0,
    APP14,
    EOI,
    SOS,
    encode_arithmetic,
    encode_turbo,
    pixels,
    read_segments,
    segment,
    tj,
    with_frame,
    with_payload,
)

SOUND = [*RECOMPRESSED, "1 x 1, optimised", "more than ten blocks in an MCU", "coefficients beyond baseline"]

# ---- hostile bytes ----


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("kind", [kind for kind in SOUND if kind not in jpeg_kinds.LARGE])
def test_truncated_tile_is_damaged(kind: str, tables: Tables) -> None:
    tile = jpeg_kinds.tile(kind)
    end = tile.index(EOI, tile.index(bytes([0xFF, SOS]))) + len(EOI)  # of the first image
    cuts = np.arange(end, dtype=np.uint32)
    output, sizes, outcomes = recompress_batch(tile, np.zeros(len(cuts), np.uint64), cuts, 50, tables=tables)
    assert output.tobytes() == b"".join(tile[:cut] for cut in cuts)
    assert (sizes == cuts).all()
    assert set(outcomes[:3]) == {Outcome.KEPT_NOT_JPEG}
    assert set(outcomes[3:]) == {Outcome.DAMAGED}


edits_of_bytes = st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), min_size=1, max_size=8)


@property_test
@given(
    kind=st.sampled_from(["17 x 33", "progressive", "restart markers", "CMYK", "ICC profile", "16-bit tables"]),
    edits=edits_of_bytes,
    request=st.none() | st.integers(0, 100),
    tables=st.sampled_from(TABLE_MODES),
)
def test_mutated_tiles_have_an_outcome_and_never_grow(
    kind: str, edits: list[tuple[int, bytes]], request: int | None, tables: Tables
) -> None:
    tile = bytearray(jpeg_kinds.tile(kind))
    for position, new in edits:
        at = position % len(tile)
        tile[at : at + max(len(new), 1)] = new  # overwrites bytes, removes one, or extends the end
    output, outcome = recompress(tile, request, tables=tables)
    assert outcome in Outcome
    is_changed = outcome in (Outcome.RECOMPRESSED, Outcome.OPTIMISED)
    assert (len(output) < len(tile)) if is_changed else (output == tile)
    if is_changed:
        assert diagnose(output) == (Damage.NONE, "")
    damage, text = diagnose(tile)
    assert "\n" not in text
    assert (text == "") == (damage is Damage.NONE)
    assert (found := quality(tile)) is None or 0 <= found <= 100


@property_test
@given(tail=st.binary(max_size=200))
def test_noise_after_the_first_bytes_of_a_jpeg_is_kept(tail: bytes) -> None:
    tile = b"\xff\xd8\xff" + tail
    output, outcome = recompress(tile, 50)
    assert output == tile
    assert outcome in (Outcome.DAMAGED, Outcome.KEPT_UNSUPPORTED)


@pytest.mark.parametrize("scans", [0, 95])
def test_arithmetic_bomb_is_rejected(scans: int) -> None:
    """libjpeg completes an arithmetic scan with zeros, so a few bytes can declare an image of any size."""
    tile = encode_arithmetic(pixels(), tj.TJSAMP_444, tj.TJFLAG_PROGRESSIVE)
    if tile is None:
        pytest.skip("libjpeg-turbo was built without arithmetic coding")
    bomb = with_frame(tile, 1, b"\x20\x00\x20\x00")[:-2]
    bomb += b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\0\0" * scans + b"\xff\xd9"
    assert recompress(bomb, 50) == (bomb, Outcome.DAMAGED)
    assert diagnose(bomb) == (Damage.IMPLAUSIBLE, "header declares more blocks than the tile's bytes can hold")


# ---- markers ----


def test_unknown_jfif_version_is_not_damage() -> None:
    tile = with_payload(jpeg_kinds.tile("4:2:0"), APP0, lambda jfif: b"JFIF\0\x02" + jfif[6:])
    assert recompress(tile, 50)[1] is Outcome.RECOMPRESSED
    assert diagnose(tile) == (Damage.NONE, "")


def test_app14_is_copied_even_if_jfif_contradicts_it() -> None:
    rgb = jpeg_kinds.tile("RGB")
    tile = rgb[:2] + segment(APP0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + rgb[2:]
    output, _ = recompress(tile, 50)
    assert dict(read_segments(output))[APP14] == dict(read_segments(tile))[APP14]


# ---- diagnose ----


@pytest.mark.parametrize("own", [1, 2, 50])
def test_diagnosis_decodes_all_of_a_tile_at_any_quality(own: int) -> None:
    tile = encode_turbo(pixels(), quality=own)
    assert diagnose(tile) == (Damage.NONE, "")
    assert diagnose(tile[:-9]) == (Damage.TRUNCATED, "Premature end of JPEG file")


@pytest.mark.parametrize("kind", SOUND)
def test_sound_tile_has_no_damage(kind: str) -> None:
    assert diagnose(jpeg_kinds.tile(kind)) == (Damage.NONE, "")


@pytest.mark.parametrize(
    ("kind", "damage", "text"),
    [
        ("truncated", Damage.TRUNCATED, "Premature end of JPEG file"),
        ("without EOI", Damage.TRUNCATED, "Premature end of JPEG file"),
        ("0 x 0", Damage.CORRUPT_HEADER, "Empty JPEG image (DNL not supported)"),
        ("tables only", Damage.CORRUPT_HEADER, "JPEG datastream contains no image"),
        ("without quantisation tables", Damage.MISSING_TABLE, "Quantization table 0x00 was not defined"),
        ("zeros after the first half", Damage.TRUNCATED, "Premature end of JPEG file"),
        ("missing restart marker", Damage.CORRUPT_DATA, "Corrupt JPEG data"),
        ("8192 x 8192 declared", Damage.IMPLAUSIBLE, "header declares more blocks than the tile's bytes can hold"),
        ("65500 x 65500 declared", Damage.UNSUPPORTED, "Maximum supported image dimension is 8192 pixels"),
        ("12 bits", Damage.UNSUPPORTED, "Unsupported JPEG data precision 12"),
        ("lossless", Damage.UNSUPPORTED, "SOF"),
        ("hierarchical", Damage.UNSUPPORTED, "0xde"),
        ("PNG", Damage.NOT_JPEG, "Not a JPEG file: starts with 0x89 0x50"),
        ("empty", Damage.NOT_JPEG, "Empty input file"),
    ],
)
def test_diagnosis_is_a_code_and_a_text(kind: str, damage: Damage, text: str) -> None:
    code, message = diagnose(jpeg_kinds.tile(kind))
    assert code is damage
    assert text in message


@pytest.mark.parametrize("end", [3, 20, 100, 300])
def test_truncated_header_is_diagnosed_as_such(end: int) -> None:
    """libjpeg itself says only that there is no image."""
    assert diagnose(jpeg_kinds.tile("4:2:0")[:end])[0] is Damage.TRUNCATED


@pytest.mark.parametrize("kind", [kind for kind, outcomes in OUTCOMES.items() if kind in jpeg_kinds.KINDS])
def test_diagnosis_agrees_with_the_outcome(kind: str) -> None:
    tile = jpeg_kinds.tile(kind)
    outcome = recompress(tile, 1)[1]
    damage, _ = diagnose(tile)
    assert (damage is Damage.NOT_JPEG) == (outcome is Outcome.KEPT_NOT_JPEG)
    if outcome is Outcome.DAMAGED:
        assert damage not in (Damage.NONE, Damage.UNSUPPORTED)
    elif outcome is not Outcome.KEPT_NOT_JPEG:
        assert damage in (Damage.NONE, Damage.UNSUPPORTED)
