"""`gptool batch`: many exports that one file describes."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptool.cli.console import INTERRUPTED, print_json, print_table, show_progress
from gptool.cli.options import json_option
from gptool.cli.usage import Command, Integer, Location
from gptool.text import format_bytes, format_count

if TYPE_CHECKING:
    from gptool.batch import BatchExport, BatchRun, Outcome
    from gptool.model import Phase, Progress

EPILOG = """\b
Examples:
  gptool batch nightly.toml
  gptool batch nightly.toml --jobs 4 --json

Exit status: 0 if every export succeeded, 1 if one failed or FILE is already running, 2 if FILE is wrong: then nothing
was exported.
"""


@click.command("batch", cls=Command, epilog=EPILOG)
@click.argument("file", type=Location(Path))
@click.option(
    "--jobs",
    type=Integer(1),
    metavar="N",
    default=1,
    show_default=True,
    help="Number of exports that run at once. They share the processors.",
)
@json_option
def command(file: Path, jobs: int, as_json: bool) -> None:
    """Run the exports that FILE describes, a TOML file with a table [exports.NAME] for each.

    A table has the keys cache and output, and the parameters of the operation by their names, such as
    compressionQuality. The table [defaults] has values for all exports. Relative paths are relative to the folder of
    FILE, and a second run of the same FILE is refused while the first is running.
    """
    from gptool.batch import BatchRun, lock_batch, read_batch

    batch = read_batch(file)
    run = BatchRun(batch, jobs, _bars if _has_bars(jobs) else _no_bars, _show_end, _show_stop)
    status, started = 0, time.monotonic()
    with lock_batch(batch.path):
        try:
            run.run()
        except KeyboardInterrupt:
            status = INTERRUPTED
        except SystemExit as error:  # of a signal
            status = error.code if isinstance(error.code, int) else 1
    seconds = time.monotonic() - started
    if as_json:
        exports = [outcome.to_json() for outcome in run.outcomes.values()]
        print_json({"file": str(batch.path), "seconds": round(seconds, 3), "exports": exports})
    else:
        _show_table(run, batch.path, seconds)
    sys.exit(status or int(any(outcome.result is None for outcome in run.outcomes.values())))


def _has_bars(jobs: int) -> bool:
    """Return True if progress is shown: on a terminal, for one export at a time. Elsewhere it would fill logs."""
    return jobs == 1 and sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def _bars(export: BatchExport) -> Iterator[Progress]:
    click.echo(f"{export.name}: {export.cache} to {export.output}", err=True)
    with show_progress() as progress:
        yield progress


@contextmanager
def _no_bars(export: BatchExport) -> Iterator[Progress]:
    def progress(phase: Phase, done: int, total: int, /) -> None:
        """Show nothing."""

    yield progress


def _show_end(outcome: Outcome) -> None:
    """Print the messages of an export on standard error, and what became of it."""
    lines = []
    if outcome.result:
        lines += [message.line for message in outcome.result.messages]
        figures = f"{format_count(outcome.result.tiles, 'tile')}, {format_bytes(outcome.result.size)}"
        lines.append(f"{outcome.status} in {outcome.seconds:.1f} s: {figures}")
    elif outcome.error:
        lines += [f"{outcome.status}: {outcome.error}", *outcome.advice]
    else:
        lines.append(outcome.status)
    for line in lines:
        click.echo(f"{outcome.export.name}: {line}", err=True)


def _show_stop() -> None:
    click.echo("Stopping the exports that are running", err=True)


def _show_table(run: BatchRun, path: Path, seconds: float) -> None:
    outcomes = run.outcomes.values()
    print_table(("Name<", "Tiles", "Bytes", "Status<", "Seconds"), [_cells(outcome) for outcome in outcomes])
    counts = Counter(outcome.status for outcome in outcomes)
    figures = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    click.echo(f"{path}: {format_count(len(outcomes), 'export')} in {seconds:.1f} s: {figures}")


def _cells(outcome: Outcome) -> tuple[str, ...]:
    result = outcome.result
    figures = (f"{result.tiles:,}", format_bytes(result.size)) if result else ("-", "-")
    return (outcome.export.name, *figures, outcome.status, f"{outcome.seconds:.1f}")
