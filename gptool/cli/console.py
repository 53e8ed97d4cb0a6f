"""What people see: errors, progress, tables, figures. The only module that imports rich."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gptool.errors import GptoolError, ParameterError, SettingsError, TooManyTilesError

if TYPE_CHECKING:
    from gptool.jobs.job import Job
    from gptool.model import Message

PLAIN_WIDTH, LEAST_WIDTH = 140, 80
"""Columns where there is no terminal to ask, and the fewest that figures are squeezed into."""

WIDE = 110
"""Columns from which on tables have room: for space between their columns, for reasons in words."""

FIRST_LINE_SECONDS, LINE_SECONDS = 1.0, 5.0


def print_json(value: Any) -> None:
    """Print JSON for programs."""
    click.echo(json.dumps(value, indent=2))


def fail(error: GptoolError | OSError) -> NoReturn:
    """Say in one line what went wrong, and end with 2 for a wrong request, 1 for a failed job."""
    click.echo(f"Error: {error}", err=True)
    if isinstance(error, TooManyTilesError):
        for line in error.advice:
            click.echo(line, err=True)
    _let_go_of_full_output()
    wrong_usage = isinstance(error, ParameterError | SettingsError) and not isinstance(error, TooManyTilesError)
    sys.exit(2 if wrong_usage else 1)


def _let_go_of_full_output() -> None:
    """Drop what standard output did not take: Python would try again at its end, and exit with a status of its own."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_messages(messages: Iterable[Message]) -> None:
    """Show what there is to say, on standard error."""
    for message in messages:
        click.echo(f"{'Warning' if message.type == 'Warning' else 'Note'}: {message.description}", err=True)


def bytes_text(count: float) -> str:
    """Write a number of bytes for people, as in `9.5 MB` (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"


def output_width() -> int:
    """Return the columns that tables may take."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return max(shutil.get_terminal_size().columns, LEAST_WIDTH) if terminal else PLAIN_WIDTH


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None) -> None:
    """Print a table; columns whose heading ends in `<` are aligned left, and the only ones that may wrap."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = output_width()
    table = Table(
        box=box.SIMPLE_HEAD, show_footer=total is not None, pad_edge=False, padding=(0, 1) if width >= WIDE else 0
    )
    for i, column in enumerate(columns):
        left = column.endswith("<")
        table.add_column(
            column.rstrip("<"), total[i] if total else "", justify="left" if left else "right", no_wrap=not left
        )
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=width).print(table)


@contextmanager
def running(job: Job, as_json: bool) -> Iterator[None]:
    """Start a job, and fail it with an error of what is within, which goes on; JSON tells that too."""
    job.start()
    try:
        yield
    except GptoolError as error:
        job.fail(error)
        if as_json:
            print_json(job.to_json())
        raise


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show tiles as they are done, on standard error: a bar on a terminal, now and then a line elsewhere."""
    with _bar(what) if sys.stderr is not None and sys.stderr.isatty() else _lines(what) as progress:
        yield progress


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} tiles, {task.fields[rate]:,.0f} tiles/s,"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None, rate=0.0, visible=False)

        def progress(done: int, total: int) -> None:
            rate = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=done, total=total, rate=rate, visible=True)

        yield progress


@contextmanager
def _lines(what: str) -> Iterator[Callable[[int, int], None]]:
    started = time.monotonic()
    due = started + FIRST_LINE_SECONDS

    def progress(done: int, total: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due and done < total:
            click.echo(f"{what}: {_how_far(done, total, now - started)}", err=True)
            due = now + LINE_SECONDS

    yield progress


def _how_far(done: int, total: int, seconds: float) -> str:
    if done == 0:
        return f"{total:,} tiles so far"
    rate = done / seconds
    return f"{done:,} of {total:,} tiles, {rate:,.0f} tiles/s, {(total - done) / rate:,.0f} s left"
