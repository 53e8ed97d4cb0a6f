"""What a service's clients read in the place of paths: they are not to learn how its machine is laid out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gptool.errors import GptoolError
from gptool.job import Wording

OUTPUT = "the output directory"
A_PATH = "a path"

OTHER = re.compile(r"""(https?://\S+)|(?<![\w.])/[^\s'",;:)\]]+""")
"""An absolute path; addresses of the web, which look like one in part, may stay."""


def wording_for(service: str, location: Path, output: Path) -> Wording:
    """Return what takes paths out of a job's messages.

    Parameters
    ----------
    service : str
        What stands for the location of its cache, as in `World/conf.xml: not XML`.
    location, output : Path
        Absolute ones.
    """
    words = dict.fromkeys(_spellings(location), service) | dict.fromkeys(_spellings(output), OUTPUT)
    # Folders around them by themselves, because the blanks in their names end what can be known as a path.
    around = {text for path in (location, output) for above in path.parents for text in _spellings(above)}
    words = dict.fromkeys(around, A_PATH) | words
    known = re.compile("(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + r")(?![\w-])")

    def word(text: str) -> str:
        text = known.sub(lambda match: words[match[0]], text)
        text = OTHER.sub(lambda match: match[1] or A_PATH, text)
        # Names of files may hold bytes that are no text, and then no JSON either.
        return "".join(c if c.isprintable() else "?" for c in text)

    return word


def _spellings(path: Path) -> Iterator[str]:
    """Yield a path as messages have it: as it was named, as it is, and as an error's line or a repr spells it."""
    for name in {str(path), os.path.realpath(path)} - {os.sep}:
        yield from (str(GptoolError(name)), str(GptoolError(repr(name)[1:-1])))
