"""A bar that shows the progress of an operation on a terminal or in a notebook. The only user of rich's progress."""

from __future__ import annotations

import reprlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from gptool.errors import ParameterError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gptool.model import Phase, Progress


def as_progress(progress: Progress | bool | None) -> AbstractContextManager[Progress | None]:
    """Return a context of the callback that a caller asks for: a bar for True, none for False and None."""
    if progress is True:
        return progress_bar()
    if progress is None or progress is False:
        return nullcontext(None)
    if not callable(progress):
        raise ParameterError(
            "value is no progress", where="progress", found=reprlib.repr(progress), expected="True, False or a callable"
        )
    return nullcontext(progress)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a bar on standard error, or in the cell of a notebook.

    While the total is unknown, as in the phase of counting, tiles are counted and the bar only moves to and fro.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[tiles]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, tiles="", visible=False)

        def progress(phase: Phase, done: int, total: int, /) -> None:
            tiles = tiles_text(done, total, time.monotonic() - started)
            bar.update(
                task, description=phase.capitalize(), completed=done, total=total or None, tiles=tiles, visible=True
            )

        yield progress


def tiles_text(done: int, total: int, seconds: float) -> str:
    """Return the tiles that are done, of how many, and the rate; `total` is 0 while it is unknown."""
    if not total:
        return f"{done:,} tiles so far"
    return f"{done:,} of {total:,} tiles, {done / max(seconds, 1e-9):,.0f} tiles/s"
