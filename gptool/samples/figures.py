"""The figures of sample compressions: those of each quality and tile, and the recommended quality."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gptool.model import Message, Tables, TileAddress
from gptool.text import format_bytes, format_count

THRESHOLD = 70.0
"""The score that the worst tile must reach.

By the published scale of SSIMULACRA 2, 70 is high quality, about 4 (good) of 5 in a test by ITU-R BT.500: without the
original beside it, an average observer notices no artefacts, and barely any with it. People see a map without its
source. 80 and 90 are for those who compare images side by side, or in turn at the same place.
"""


WORST = "worst"
"""The role of tiles whose scores at the recommended quality are the lowest."""


@dataclass(frozen=True)
class QualityFigures:
    """What a compression quality means for the whole result.

    Attributes
    ----------
    quality : int
        The compression quality, 0 to 100.
    total_size : int
        Bytes of the result, estimated from a sample of its tiles as by `gptool.estimate_export_tiles_size`.
    interval : (int, int)
        The bounds, bytes, that the size of the result lies between with a probability of 95 %.
    mean_score, worst_score : float
        SSIMULACRA 2 of the scored tiles, relative to the tiles as they are in the cache.
    mean_psnr : float or None
        The mean peak signal-to-noise ratio of their luma, dB, of those that differ; None if none does.
    """

    quality: int
    total_size: int
    interval: tuple[int, int]
    mean_score: float
    worst_score: float
    mean_psnr: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "quality": self.quality,
            "totalSize": self.total_size,
            "totalSizeInterval": list(self.interval),
            "meanScore": round(self.mean_score, 2),
            "worstScore": round(self.worst_score, 2),
            "meanPsnrY": _rounded(self.mean_psnr),
        }


@dataclass(frozen=True)
class TileResult:
    """A tile after recompression.

    Attributes
    ----------
    quality : int
        The compression quality of the request.
    size : int
        Bytes.
    score : float
        SSIMULACRA 2 relative to the tile as it is in the cache; 100 if no pixel differs.
    psnr : float or None
        The peak signal-to-noise ratio of luma, dB; None if luma does not differ.
    data : bytes
        The JPEG.
    """

    quality: int
    size: int
    score: float
    psnr: float | None
    data: bytes = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "quality": self.quality,
            "size": self.size,
            "score": round(self.score, 2),
            "psnrY": _rounded(self.psnr),
        }


@dataclass(frozen=True)
class SampledTile:
    """A tile that represents the selection.

    Attributes
    ----------
    address : TileAddress
        Level, row and column.
    roles : tuple of str
        "busiest", "median" or "flattest": of its level by bytes; "worst": among the worst scores at the recommended
        quality.
    own_quality : int or None
        Its quality by its quantisation tables, rounded; None if it is unknown.
    width, height : int
        Pixels.
    data : bytes
        The tile as it is in the cache.
    results : tuple of TileResult
        By quality, lowest first: the qualities of `Samples.qualities`, and the recommended one.
    """

    address: TileAddress
    roles: tuple[str, ...]
    own_quality: int | None
    width: int
    height: int
    data: bytes = field(repr=False)
    results: tuple[TileResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            **self.address._asdict(),
            "roles": list(self.roles),
            "ownQuality": self.own_quality,
            "size": len(self.data),
            "results": [result.to_json() for result in self.results],
        }


@dataclass(frozen=True)
class SampleFigures:
    """Sample compressions of a selection of tiles, without the page that shows them. See `Samples`."""

    name: str
    tables: Tables
    total_tiles: int
    result: str
    copied_size: int
    qualities: tuple[QualityFigures, ...]
    recommended: QualityFigures
    threshold: float
    steps: tuple[tuple[int, int], ...]
    scored_tiles: int
    tiles: tuple[SampledTile, ...]
    messages: tuple[Message, ...] = ()

    @property
    def summary(self) -> str:
        """The recommended quality and its size, in a line."""
        figures = self.recommended
        return (
            f"quality {figures.quality} is recommended: worst score {figures.worst_score:.1f} of "
            f"{format_count(self.scored_tiles, 'tile')}, about {format_bytes(figures.total_size)} as {self.result}"
        )

    @property
    def all_figures(self) -> tuple[QualityFigures, ...]:
        """The figures of the requested qualities and of the recommended one, lowest first."""
        by_quality = {figures.quality: figures for figures in (*self.qualities, self.recommended)}
        return tuple(by_quality[quality] for quality in sorted(by_quality))

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON, without the images."""
        return {
            "name": self.name,
            "tables": self.tables,
            "totalTiles": self.total_tiles,
            "result": self.result,
            "copiedSize": self.copied_size,
            "qualities": [figures.to_json() for figures in self.qualities],
            "recommended": self.recommended.to_json(),
            "threshold": self.threshold,
            "steps": [list(step) for step in self.steps],
            "scoredTiles": self.scored_tiles,
            "tiles": [tile.to_json() for tile in self.tiles],
            "messages": [message.to_json() for message in self.messages],
        }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2)
