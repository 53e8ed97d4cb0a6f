"""Output to people: errors, messages, progress and tables."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gptool.display.progress_bar import amount_text, progress_bar, rate_text
from gptool.errors import ExportCancelledError, GptoolError, LimitError, ParameterError, SettingsError, notes

if TYPE_CHECKING:
    from gptool.jobs.job import Job
    from gptool.model import Message, Phase, Progress

PLAIN_WIDTH, MIN_WIDTH = 140, 80
"""Columns of a table if standard output is not a terminal, and the fewest columns of one on a terminal."""

WIDE = 120
"""Columns from which tables have padding, and reasons in their cells."""

FIRST_LINE_SECONDS, LINE_SECONDS = 1.0, 5.0
"""Seconds until the first line of progress, and between two lines, if standard error is not a terminal."""

JSON_SECONDS = 0.2
"""Seconds between two lines of progress in JSON: often enough for the bar of another program."""


def print_json(value: Any) -> None:
    """Print JSON for programs."""
    click.echo(json.dumps(value, indent=2))


INTERRUPTED = 130
"""The exit status after Ctrl-C: 128 and the number of SIGINT."""


def fail(error: GptoolError | OSError) -> NoReturn:
    """Print an error in one line and exit with 2 for wrong usage, 1 for a failed job."""
    text = str(error)
    if not isinstance(error, GptoolError):  # what writes and reads files names them otherwise
        text = f"{error.filename or 'standard output'}: {error.strerror or error}"
    if not isinstance(error, SettingsError):  # the keys of files have the operation's names
        text = with_options(text)
    click.echo(f"Error: {text}", err=True)
    for line in (*(error.advice if isinstance(error, LimitError) else ()), *notes(error)):
        click.echo(with_options(line), err=True)
    _discard_unwritable_output()
    wrong_usage = isinstance(error, ParameterError | SettingsError) and not isinstance(error, LimitError)
    sys.exit(2 if wrong_usage else 1)


OTHER_OPTIONS = re.compile(r"^(caches|count|dask|folder|max_export_tiles_count|qualities|server|workers)(?=:)")
"""Options that are no parameters of the operation, where a message names them as the place of an error."""


def with_options(text: str) -> str:
    """Return a message with the options of the command line in place of the operation's names of parameters."""
    from gptool.output.staging import with_option_names
    from gptool.request.parameters import INPUTS
    from gptool.request.renaming import with_names

    text = with_names(text, {parameter.name: parameter.option for parameter in INPUTS}, equals=" ")
    for flag, option in (("--tile-package true", "--tile-package"), ("--tile-package false", "--no-tile-package")):
        text = text.replace(flag, option)
    text = OTHER_OPTIONS.sub(lambda match: "--" + match[1].replace("_", "-"), text)
    return with_option_names(text, overwrite="--overwrite", restart="--restart")


def _discard_unwritable_output() -> None:
    """Discard what standard output did not take: Python would retry at exit, and exit with a status of its own."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_messages(messages: Iterable[Message]) -> None:
    """Print messages on standard error."""
    for message in messages:
        click.echo(message._replace(description=with_options(message.description)).line, err=True)


def output_width() -> int:
    """Return the number of columns that tables may take."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return max(shutil.get_terminal_size().columns, MIN_WIDTH) if terminal else PLAIN_WIDTH


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None) -> None:
    """Print a table. Columns whose heading ends in `<` are aligned left, and are the only ones that may wrap.

    A heading may have several lines.
    """
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
def running(job: Job, as_json: bool, write_report: Callable[[Job], None] | None = None) -> Iterator[None]:
    """Start a job. An error within the context fails it and propagates; an interrupt cancels it.

    Parameters
    ----------
    job : Job
    as_json : bool
        Print the job if it does not succeed.
    write_report : callable or None
        Called with the job if it does not succeed.
    """
    job.start()
    try:
        yield
    except (GptoolError, SystemExit) as error:  # SystemExit: of Ctrl-C and signals
        job.fail(error if isinstance(error, GptoolError) else ExportCancelledError("interrupted"))
        if write_report is not None:
            write_report(job)
        if as_json:
            print_json(job.to_json())
        raise


@contextmanager
def show_progress(*, hidden: bool = False, as_json: bool = False) -> Iterator[Progress]:
    """Show the progress on standard error: a bar on a terminal, otherwise a line every few seconds, or JSON.

    On Ctrl-C, what was done is printed, and the program ends with the exit status of an interrupted one.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if hidden:
        context: AbstractContextManager[Progress] = nullcontext(_ignore)
    elif as_json:
        context = nullcontext(_json_lines())
    else:
        context = progress_bar() if is_terminal else _lines()
    last = ""
    with _interruptible(lambda: last), context as show:

        def progress(phase: Phase, done: int, total: int, /) -> None:
            nonlocal last
            last = f"{phase} {amount_text(phase, done, total)}"
            show(phase, done, total)

        yield progress


@contextmanager
def _interruptible(last: Callable[[], str]) -> Iterator[None]:
    """Exit after Ctrl-C with a line that says how far the work was; after signals too, with what is left of it."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:  # SystemExit: of signals
        is_key = isinstance(error, KeyboardInterrupt)
        after = f" after {last()}" if last() else ""
        left = "." if notes(error) else "; nothing half-written is left."
        click.echo(f"{'Interrupted' if is_key else 'Terminated'}{after}{left}", err=True)
        _show_notes(error)
        if is_key:
            sys.exit(INTERRUPTED)
        raise


def _show_notes(error: BaseException) -> None:
    for line in notes(error):
        click.echo(with_options(line), err=True)


def _ignore(_phase: Phase, _done: int, _total: int, /) -> None:
    pass


def _json_lines() -> Progress:
    """Return a callback that prints lines of JSON: the start and end of a phase, and what is between in intervals."""
    shown: tuple[Phase, int, int] | None = None
    due = 0.0

    def progress(phase: Phase, done: int, total: int, /) -> None:
        nonlocal shown, due
        now = time.monotonic()
        is_new = shown is None or phase is not shown[0] or (done == total and (phase, done, total) != shown)
        if now < due and not is_new:
            return
        shown, due = (phase, done, total), now + JSON_SECONDS
        click.echo(json.dumps({"phase": phase, "done": done, "total": total}), err=True)

    return progress


@contextmanager
def _lines() -> Iterator[Progress]:
    started = reported = time.monotonic()
    current = None
    due = started + FIRST_LINE_SECONDS

    def progress(phase: Phase, done: int, total: int, /) -> None:
        nonlocal due, started, reported, current
        now = time.monotonic()
        if phase is not current:  # another kind of work, at another rate
            started, current = reported, phase
        reported = now
        if now < due or (total and done >= total):
            return
        due = now + LINE_SECONDS
        line = f"{phase.capitalize()}: {rate_text(phase, done, total, now - started)}"
        if done and total:
            line += f", {(total - done) * (now - started) / done:,.0f} s left"
        click.echo(line, err=True)

    yield progress
