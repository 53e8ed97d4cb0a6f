"""A target size: the recompressions that are considered, and the one that was chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gptool.jpeg.recompression import Recompression
from gptool.model import Message

MAX_QUALITY = 100


@dataclass(frozen=True)
class TargetChoice:
    """What was done to tiles so that the result fits a target size.

    Attributes
    ----------
    target_size : int
        Bytes.
    recompression : Recompression
    next : Recompression or None
        The next step up, whose result exceeds the target; None if there is none.
    next_size : int or None
        Bytes of its result; None if it was only found to exceed the target, or there is none.
    passes : int
        How often all tiles were read to find the choice; 0 if it rests on an estimate.
    """

    target_size: int
    recompression: Recompression
    next: Recompression | None = None
    next_size: int | None = None
    passes: int = 0

    @property
    def quality(self) -> int | None:
        """The compression quality that tiles were recompressed to; None if nothing was lost."""
        return self.recompression.quality

    @property
    def method(self) -> str:
        """What was done: "copy", "optimise" or "recompress"."""
        return _method(self.recompression)

    @property
    def text(self) -> str:
        """What is done, for people."""
        about = "about " * (not self.passes)
        return {
            "copy": "tiles are copied as they are",
            "optimise": "tiles are optimised without loss",
            "recompress": f"{about}compressionQuality {self.quality} is the highest quality whose result fits",
        }[self.method]

    def message(self, size: int) -> Message:
        """Return the message about the choice, for a result of that many bytes."""
        text = f"targetSize of {self.target_size:,} bytes: {self.text}"
        if self.passes:
            text += f"; the result has {size:,} bytes{self._next_text()}"
        return Message("Informative", text)

    def _next_text(self) -> str:
        if self.next is None:
            return ""
        name = {"copy": "copied tiles", "optimise": "lossless optimisation"}.get(_method(self.next))
        size = "more than the target" if self.next_size is None else f"{self.next_size:,}"
        return f", with the next step up ({name or f'quality {self.next.quality}'}) it would have {size}"

    def to_json(self) -> dict[str, Any]:
        """Return the choice as JSON."""
        return {
            "targetSize": self.target_size,
            "method": self.method,
            "compressionQuality": self.quality,
            "nextMethod": self.next and _method(self.next),
            "nextCompressionQuality": self.next and self.next.quality,
            "nextSize": self.next_size,
            "passes": self.passes,
        }


def _method(recompression: Recompression) -> str:
    if not recompression.is_requested:
        return "copy"
    return "optimise" if recompression.quality is None else "recompress"


def quality_ladder(base: Recompression) -> list[Recompression]:
    """Return the recompressions from which a target size chooses, in the order of their quality.

    Parameters
    ----------
    base : Recompression
        That of the request, without a quality. Tiles are not just copied if it asks for optimisation.
    """
    lossy = [replace(base, quality=quality, optimize=True) for quality in range(1, MAX_QUALITY + 1)]
    return [*lossy, replace(base, optimize=True)] if base.optimize else [*lossy, replace(base, optimize=True), base]
