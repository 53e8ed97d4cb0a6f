"""Rules of tiles: each is an image that can be decoded, of the declared format and the size of the scheme."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle, _jpeg
from gptool._bundle import TileKind
from gptool._jpeg import Damage
from gptool.cache import TileBatch
from gptool.model import ImageInfo, TilingScheme
from gptool.png.structure import check_png, png_size
from gptool.verification.lerc import check_lerc
from gptool.verification.rule import ALL, Kind, Rule

ANY = Rule("tiles.any", "There is at least one tile.", kinds=ALL)
EMPTY = Rule("tiles.empty", "No tile is an empty file.", kinds=frozenset({Kind.EXPLODED}))
FORMAT = Rule("tiles.format", "Every tile is a JPEG, PNG or LERC by its first bytes.", kinds=ALL)
DECLARED_FORMAT = Rule("tiles.declared-format", "Every tile has the format that the metadata declare.", kinds=ALL)
JPEG = Rule("tiles.jpeg", "libjpeg-turbo decodes every JPEG without an error or a warning.", kinds=ALL)
PNG = Rule("tiles.png", "Every PNG has valid chunks and checksums, and image data of the right length.", kinds=ALL)
LERC = Rule("tiles.lerc", "Every LERC has the sizes that its headers state.", kinds=ALL)
SIZE = Rule("tiles.size", "Every tile has the width and height of the tiling scheme.", kinds=ALL)

RULES = (ANY, EMPTY, FORMAT, DECLARED_FORMAT, JPEG, PNG, LERC, SIZE)

FORMATS = {TileKind.JPEG: ("JPEG", "MIXED"), TileKind.PNG: ("PNG", "PNG8", "PNG24", "PNG32", "MIXED")}
"""The declared formats that tiles of a format may have; those of LERC start with its name."""

FORMAT_RULES = {TileKind.JPEG: JPEG, TileKind.PNG: PNG, TileKind.LERC: LERC}
SHOWN_BYTES = 8


class TileProblem(NamedTuple):
    """A tile that breaks a rule: its position in the bundle, the rule, and the values found and expected."""

    position: int
    rule: Rule
    found: str
    expected: str


class TileFormat(NamedTuple):
    """What tiles must be: the format that the cache declares, and width and height in pixels."""

    declared: str
    width: int
    height: int

    @classmethod
    def of(cls, scheme: TilingScheme, image: ImageInfo) -> TileFormat:
        """Return the format of a cache's tiles."""
        return cls(image.format, scheme.tile_columns, scheme.tile_rows)

    def allows(self, kind: TileKind) -> bool:
        """Return True if the declared format may have tiles of that kind."""
        return self.declared.startswith("LERC") if kind is TileKind.LERC else self.declared in FORMATS[kind]


def check_batch(batch: TileBatch, expected: TileFormat) -> list[TileProblem]:
    """Return the tiles of a batch that break a rule, each with the first one that it breaks."""
    kinds, _ = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
    problems = []
    jpegs = np.flatnonzero(kinds == TileKind.JPEG)
    problems += _check_jpegs(batch, jpegs, expected)
    for i in np.flatnonzero(kinds != TileKind.JPEG).tolist():
        problem = _check_tile(batch.tile(i), TileKind(kinds[i]), expected)
        if problem is not None:
            problems.append(TileProblem(int(batch.positions[i]), *problem))
    return sorted(problems, key=lambda problem: problem.position)


def _check_jpegs(batch: TileBatch, indices: NDArray[np.intp], expected: TileFormat) -> list[TileProblem]:
    damages, shapes = _jpeg.check_batch(batch.source, batch.offsets[indices], batch.sizes[indices])
    allowed = expected.allows(TileKind.JPEG)
    wrong_size = (shapes[:, 0] != expected.height) | (shapes[:, 1] != expected.width)
    problems = []
    for i in np.flatnonzero((damages != Damage.NONE) | wrong_size | (not allowed)).tolist():
        position = int(batch.positions[indices[i]])
        if damages[i]:
            reason = _jpeg.diagnose(batch.tile(int(indices[i])))[1] or "sampling factors that cannot be decoded"
            problem: tuple[Rule, str, str] = (JPEG, reason, "a JPEG that decodes without a warning")
        elif not allowed:
            problem = _other_format(TileKind.JPEG, expected)
        else:
            problem = _other_size((int(shapes[i, 1]), int(shapes[i, 0])), expected)
        problems.append(TileProblem(position, *problem))
    return problems


def _check_tile(tile: bytes, kind: TileKind, expected: TileFormat) -> tuple[Rule, str, str] | None:
    if kind is TileKind.UNKNOWN:
        return FORMAT, f"starts with {tile[:SHOWN_BYTES].hex(' ')}", "the first bytes of a JPEG, PNG or LERC"
    size = expected.width, expected.height
    if kind is TileKind.PNG:
        problem = check_png(tile, size)
        found = png_size(tile) if problem is None else size
        sizes = {size}
    else:
        problem, found = check_lerc(tile)
        # Tiles of elevation have a row and a column more, which they share with their neighbours.
        sizes = {size, (size[0] + 1, size[1] + 1)}
    if problem is not None:
        return FORMAT_RULES[kind], problem, f"a valid {kind.name}"
    if not expected.allows(kind):
        return _other_format(kind, expected)
    return None if found in sizes else _other_size(found, expected)


def _other_format(kind: TileKind, expected: TileFormat) -> tuple[Rule, str, str]:
    return DECLARED_FORMAT, kind.name, expected.declared


def _other_size(size: tuple[int, int], expected: TileFormat) -> tuple[Rule, str, str]:
    return SIZE, f"{size[0]} x {size[1]} pixels", f"{expected.width} x {expected.height} pixels"
