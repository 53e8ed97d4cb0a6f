"""A bar that shows the progress of an operation on a terminal or in a notebook. The only user of rich's progress."""

from __future__ import annotations

import reprlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from gptool.errors import ParameterError
from gptool.text import format_bytes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gptool.model import Phase, Progress

BYTE_PHASES = frozenset({"uploading", "hashing"})
"""The phases whose progress is counted in bytes."""


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
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    started = reported = time.monotonic()
    current: Phase | None = None
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, amount="", visible=False)

        def progress(phase: Phase, done: int, total: int, /) -> None:
            nonlocal started, reported, current
            if phase is not current:  # another kind of work, at another rate
                started, current = reported, phase
            reported = time.monotonic()
            text = rate_text(phase, done, total, reported - started)
            bar.update(
                task, description=phase.capitalize(), completed=done, total=total or None, amount=text, visible=True
            )

        yield progress


def rate_text(phase: Phase, done: int, total: int, seconds: float) -> str:
    """Return what is done, of how much, and the rate; `total` is 0 while it is unknown."""
    amount, rate = amount_text(phase, done, total), done / max(seconds, 1e-9)
    if not total:
        return f"{amount} so far"
    return f"{amount}, {format_bytes(round(rate)) if phase in BYTE_PHASES else f'{rate:,.0f} tiles'}/s"


def amount_text(phase: Phase, done: int, total: int) -> str:
    """Return the tiles or bytes that are done, and of how many; `total` is 0 while it is unknown."""
    if phase in BYTE_PHASES:
        return f"{format_bytes(done)} of {format_bytes(total)}" if total else format_bytes(done)
    return f"{done:,} of {total:,} tiles" if total else f"{done:,} tiles"
