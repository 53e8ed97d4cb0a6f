"""The exceptions of this package, derived from `GptoolError`.

A message is a single line, `where: what; found X, expected Y`: the file or parameter, a clause or standard phrase that
says what is wrong, and if they help, the value found and a description of a valid one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_FOUND = 300
"""Maximum length of the found value in a message, in characters: files may contain anything."""


class GptoolError(Exception):
    """The base class of all exceptions that this package raises deliberately.

    Parameters
    ----------
    what : str
        What is wrong: a clause or a standard phrase, such as `index entry points past the end of the file`.
    where : object, optional
        The file, the parameter, or the part of it.
    found : object, optional
        The value found, cut off after `MAX_FOUND` characters.
    expected : object, optional
        A description of a valid value, such as `an integer from 0 to 100`.

    Attributes
    ----------
    what : str
    where, found, expected : object
        As above; None if the message has no such part. The message is what `str` returns.
    """

    def __init__(self, what: str, *, where: object = None, found: object = None, expected: object = None) -> None:
        self.what, self.where, self.found, self.expected = what, where, found, expected
        details = []
        if found is not None:
            text = str(found)
            details.append(f"found {text if len(text) <= MAX_FOUND else text[:MAX_FOUND] + '...'}")
        if expected is not None:
            details.append(f"expected {expected}")
        line = what if where is None else f"{where}: {what}"
        if details:
            line += f"; {', '.join(details)}"
        # The parts may come from files and other libraries, and contain line breaks or control characters.
        super().__init__("".join(c if c.isprintable() else "?" for c in " ".join(line.split())))

    def change_texts(self, change: Callable[[str], str]) -> None:
        """Change the message and its parts that are texts, as to the names that its readers use."""
        self.args = (change(str(self)),)
        for name, value in self.__dict__.items():
            if isinstance(value, str):
                self.__dict__[name] = change(value)
            elif isinstance(value, tuple):
                self.__dict__[name] = tuple(map(change, value))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to copy the exception, as pickle does, without calling `__init__` with other parameters."""
        return _copy, (type(self), str(self), self.__dict__)


def _copy(kind: type[GptoolError], text: str, attributes: dict[str, Any]) -> GptoolError:
    error = kind.__new__(kind)
    Exception.__init__(error, text)  # not that of OSError, which some derive from: it sets no text
    error.__dict__.update(attributes)
    return error


class ParameterError(GptoolError, ValueError):
    """Raised if a parameter of a request is invalid, or the request selects nothing that the cache has."""


class LimitError(ParameterError):
    """Raised if the result of a request, which is valid, would exceed a limit.

    Attributes
    ----------
    advice : tuple of str
        Further lines for people: what would not exceed the limit.
    """

    def __init__(
        self,
        what: str,
        advice: tuple[str, ...] = (),
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
    ) -> None:
        super().__init__(what, where=where, found=found, expected=expected)
        self.advice = advice


class TooManyTilesError(LimitError):
    """Raised if a request selects more tiles than the limit. The message is that of ArcGIS Server.

    Its advice is the number of tiles of each level, and which levels are within the limit.
    """


class TargetSizeError(LimitError):
    """Raised if no result of a request fits the target size. Its advice is which levels would."""


class SettingsError(GptoolError, ValueError):
    """Raised if a settings file is invalid, or cannot be read or written."""


class ServiceError(GptoolError):
    """Raised if a request to the service is rejected.

    Attributes
    ----------
    code : int
        Error code of ArcGIS's REST API.
    """

    def __init__(
        self, what: str, *, code: int, where: str | None = None, found: object = None, expected: object = None
    ) -> None:
        # A client may send any text as the name of a resource.
        super().__init__(what, where=where and where[:MAX_FOUND], found=found, expected=expected)
        self.code = code


class CacheError(GptoolError):
    """Raised if a cache cannot be read."""


class CacheNotFoundError(CacheError, FileNotFoundError):
    """Raised if a location contains no cache."""


class CacheUnavailableError(CacheError):
    """Raised if a store does not answer, or a database is locked: the same request may succeed later."""


class ConfError(CacheError, ValueError):
    """Raised if conf.xml, conf.cdi or root.json is invalid, or states too little for an export."""


class BundleError(CacheError, ValueError):
    """Raised if the header, the index or the data of a bundle is corrupt."""


class OutputError(GptoolError, OSError):
    """Raised if the result cannot be written."""


class OutputExistsError(OutputError, FileExistsError):
    """Raised if the result exists, and is not to be overwritten."""


class ExportCancelledError(GptoolError):
    """Raised in an export that is being cancelled, in each of its threads."""


class ExportInterruptedError(ExportCancelledError):
    """Raised in an export that is stopped, and may be gone on with later."""


class ExecutorError(GptoolError):
    """Raised if an executor fails on which units of work run, such as a cluster that is lost."""


class OutOfMemoryError(GptoolError, MemoryError):
    """Raised if a job needs more memory than it may have."""

    def __init__(self) -> None:
        super().__init__(
            "job needs more memory than it may have",
            expected="fewer levels or a simpler area, or a higher jobMemory of the service",
        )


def notes(error: BaseException | None) -> tuple[str, ...]:
    """Return the notes of an exception, such as how to go on with what it has interrupted."""
    return tuple(getattr(error, "__notes__", ()))


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Raise an OutputError that names `path`, the file or folder being written, in place of an OSError."""
    try:
        yield
    except GptoolError:
        raise
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", where=path) from error
