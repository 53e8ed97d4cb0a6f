"""What a service's clients read in the place of paths: they are not to learn how its machine is laid out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gptool.errors import GptoolError
from gptool.jobs.job import Redactor

OUTPUT = "the output directory"
A_PATH = "a path"

NO_WORD_BEFORE = r"(?<![\w.])"
REST = r"""[^\s'",;:)\]]*"""
"""What follows on the start of a path, as far as it can be told from what follows on the path."""


def path_redactor(service: str, location: Path, output: Path) -> Redactor:
    """Return what takes paths out of a job's messages.

    Parameters
    ----------
    service : str
        What stands for the location of its cache, as in `World/conf.xml: not XML`.
    location, output : Path
        Absolute ones.
    """
    named = dict.fromkeys(_spellings(output), OUTPUT) | dict.fromkeys(_spellings(location), service)
    # Folders around them by themselves, because the blanks in their names would end what is known as a path.
    around = {text for path in (location, output) for above in path.parents for text in _spellings(above)}
    paths = re.compile(
        rf"(https?://\S+)|{NO_WORD_BEFORE}(?:({_any(named)})(?![\w-])({REST})|(?:{_any(around)})(?![\w-]){REST}|/(?=\S){REST})"
    )

    def word(text: str) -> str:
        text = paths.sub(lambda match: match[1] or (named[match[2]] + match[3] if match[2] else A_PATH), text)
        # Names of files may hold bytes that are no text, and then no JSON either.
        return "".join(c if c.isprintable() else "?" for c in text)

    return word


def _any(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)"


def _spellings(path: Path) -> Iterator[str]:
    """Yield a path as messages have it: as it was named, as it is, and as an error's line or a repr spells it."""
    for name in {str(path), os.path.realpath(path)} - {os.sep}:
        yield from (name, str(GptoolError(name)), str(GptoolError(repr(name)[1:-1])))
