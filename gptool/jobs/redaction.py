"""Replacing paths in the messages of a job: clients must not learn the layout of the service's machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gptool.errors import GptoolError
from gptool.jobs.job import Redactor
from gptool.system.store_url import Location, StoreUrl

OUTPUT_DIRECTORY = "the output directory"
ANY_PATH = "a path"
ANY_STORE = "a store"

ROOT = r"(?:[A-Za-z]:[\\/]|\\\\|/)"
"""The start of an absolute path: of a drive or a share of Windows, or another one."""

NO_WORD_BEFORE = r"(?<![\w.])"
REST = r"""[^\s'",;:)\]]*"""
"""The rest of a path after a known start, up to a character that usually follows a path in a message."""


def path_redactor(service: str, location: Location, output: Path) -> Redactor:
    """Return a function that replaces paths in a message.

    Parameters
    ----------
    service : str
        Replaces the location of the cache, as in `World/conf.xml: not XML`.
    location : Path or StoreUrl
        Absolute path or URL of the cache. `ANY_STORE` replaces what else is in its bucket.
    output : Path
        Absolute path of the output directory, which `OUTPUT_DIRECTORY` replaces. `ANY_PATH` replaces all other paths.
    """
    if isinstance(location, StoreUrl):
        return _url_redactor(service, location, output)
    names = dict.fromkeys(_spellings(output), OUTPUT_DIRECTORY) | dict.fromkeys(_spellings(location), service)
    # The parent folders are alternatives of their own: their names may contain blanks, at which REST would end.
    parents = {text for path in (location, output) for parent in path.parents for text in _spellings(parent)}
    paths = re.compile(
        rf"(https?://\S+)|{NO_WORD_BEFORE}(?:({_any_of(names)})(?![\w-])({REST})"
        rf"|(?:{_any_of(parents)})(?![\w-]){REST}|{ROOT}(?=\S){REST})"
    )

    def replacement(match: re.Match[str]) -> str:
        url, known, rest = match.groups()
        if url:
            return str(url)
        # What follows the name of a service is a path of the service, with the same separator on every system.
        return names[known] + rest.replace(os.sep, "/") if known else ANY_PATH

    def redact_paths(text: str) -> str:
        # File names may contain bytes that are not text, and could not be encoded as JSON.
        return "".join(c if c.isprintable() else "?" for c in paths.sub(replacement, text))

    return redact_paths


def _url_redactor(service: str, location: StoreUrl, output: Path) -> Redactor:
    """Return the function for a cache in a store."""
    url, root = (re.escape(str(GptoolError(str(each)))) for each in (location, location.root))
    urls = re.compile(rf"{url}(?![\w-])({REST})|{root}{REST}")
    redact_paths = path_redactor(OUTPUT_DIRECTORY, output, output)

    def replacement(match: re.Match[str]) -> str:
        return ANY_STORE if match[1] is None else service + match[1]

    return lambda text: redact_paths(urls.sub(replacement, text))


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)"


def _spellings(path: Path) -> Iterator[str]:
    """Yield the spellings of a path in messages: as given and resolved, each also as in an error's line or a repr."""
    texts = {str(path), os.path.realpath(path)}
    for name in (texts | {Path(text).as_posix() for text in texts}) - {path.anchor, Path(path.anchor).as_posix()}:
        yield from (name, str(GptoolError(name)), str(GptoolError(repr(name)[1:-1])))
