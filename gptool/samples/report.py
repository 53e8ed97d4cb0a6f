"""Sample compressions as users have them: figures, a representation in notebooks, and a page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gptool.display.notebook import table_html, warning_counts
from gptool.errors import translate_os_errors
from gptool.output.staging import Staging, created_folder
from gptool.samples.figures import SampleFigures
from gptool.samples.page import make_page


@dataclass(frozen=True, repr=False)
class Samples(SampleFigures):
    """Sample compressions of a selection of tiles, and the page that shows them.

    Attributes
    ----------
    name : str
        The name of the cache.
    tables : {"efficient", "exact"}
        The quantisation tables of recompressed tiles.
    total_tiles : int
        The number of tiles that are selected.
    result : str
        The kind of result that sizes are those of: "a .tpkx", "a .tpk" or "a cache raster dataset".
    copied_size : int
        Bytes of the result if every tile is copied as it is.
    qualities : tuple of QualityFigures
        The figures of the requested qualities, lowest first.
    recommended : QualityFigures
        The lowest quality, 0 to 100, at which the score of every scored tile is `threshold` or more.
    threshold : float
        A score of SSIMULACRA 2.
    steps : tuple of (int, int)
        Ranges of qualities, lowest and highest, whose results are the same for all scored tiles.
    scored_tiles : int
        The number of tiles that scores are those of.
    tiles : tuple of SampledTile
        Some of them, coarsest level first.
    messages : tuple of Message
        Notices.
    """

    def __repr__(self) -> str:
        return f"<Samples: {self.summary}{warning_counts(self.messages)}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        columns = ("Quality", "Bytes of the result", "Worst score", "Mean score")
        rows = [
            (figures.quality, figures.total_size, f"{figures.worst_score:.1f}", f"{figures.mean_score:.1f}")
            for figures in self.all_figures
        ]
        return table_html(self.summary, columns, rows, [message.line for message in self.messages])

    def to_html(self) -> str:
        """Return a page that needs no network and no other file: tiles before and after, a plot, and the figures."""
        return make_page(self)

    def write_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the page of `to_html` to a file, which appears whole or not at all, and return its path.

        Raises
        ------
        OutputError
            If the file cannot be written, or exists and `overwrite` is False.
        """
        target = Path(path).absolute()
        with created_folder(target.parent), Staging(target, is_folder=False, overwrite=overwrite) as staging:
            staged = staging.folder / target.name
            with translate_os_errors(target):
                staged.write_text(self.to_html(), encoding="utf-8")
            staging.commit(staged)
        return target
