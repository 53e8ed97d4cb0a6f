"""Short representations of results, and tables of them for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from gptool.model import Message
from gptool.text import format_count


def table_html(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Iterable[str] = ()
) -> str:
    """Return a table in HTML, whose texts are escaped; numbers are aligned right.

    Parameters
    ----------
    caption : str
        A line above the table.
    columns : sequence of str
        Headings.
    rows : iterable of sequences
        Texts and numbers, one for each column.
    notes : iterable of str
        Lines below the table.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    table = f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return table + "".join(f"<p>{escape(note)}</p>" for note in notes)


def warning_counts(messages: Iterable[Message], damaged: int = 0) -> str:
    """Return the numbers of warnings and damaged tiles, as they follow a summary; empty without any."""
    warnings = sum(message.type == "Warning" for message in messages)
    counts = (warnings, "warning"), (damaged, "damaged tile")
    return "".join(f", {format_count(count, what)}" for count, what in counts if count)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td style="text-align: right">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"
