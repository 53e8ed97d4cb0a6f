"""Sphinx extension: show the examples that end the help of a command as a block of code."""

from __future__ import annotations

from typing import Any

import click
from sphinx.application import Sphinx


def format_examples(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Turn the line block that sphinx-click makes of `Example:` and the indented lines below it into a code block."""
    formatted = []
    for line in lines:
        text = line.removeprefix("| ")
        if text.startswith("Example"):
            formatted += [text, "", ".. code-block:: sh", ""]
        else:
            formatted.append(text)
    lines[:] = formatted


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the change of the examples."""
    app.connect("sphinx-click-process-epilog", format_examples)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
