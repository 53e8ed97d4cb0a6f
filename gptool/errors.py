"""The exceptions of this package, one tree.

Each message is one line, `where: what; found X, expected Y`: the file or parameter, what is wrong with it, and, where
they help, the value found and what a right value is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_FOUND = 300
"""Characters of the value found that a message repeats: files may hold anything."""


class GptoolError(Exception):
    """The base class of all exceptions that this package raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong.
    where : object, optional
        The file, parameter or place it is wrong in.
    found : object, optional
        The value that was found.
    expected : object, optional
        A description of a right value.
    """

    def __init__(self, what: str, *, where: object = None, found: object = None, expected: object = None) -> None:
        details = []
        if found is not None:
            text = str(found)
            details.append(f"found {text if len(text) <= MAX_FOUND else text[:MAX_FOUND] + '...'}")
        if expected is not None:
            details.append(f"expected {expected}")
        line = what if where is None else f"{where}: {what}"
        if details:
            line += f"; {', '.join(details)}"
        # One printable line, whatever a library or a file put into the parts.
        super().__init__("".join(c if c.isprintable() else "?" for c in " ".join(line.split())))


class ParameterError(GptoolError, ValueError):
    """Raised when a request can't be understood, or asks for what the cache does not have."""


class TooManyTilesError(ParameterError):
    """Raised when a request takes more tiles than the limit; the message is the one ArcGIS Server gives.

    Attributes
    ----------
    advice : tuple of str
        Lines for people: what would fit.
    """

    def __init__(self, what: str, advice: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.advice = advice


class SettingsError(GptoolError, ValueError):
    """Raised when a settings file can't be understood."""


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


class ConfError(CacheError, ValueError):
    """Raised if conf.xml, conf.cdi or root.json is invalid, or states too little for an export."""


class BundleError(CacheError, ValueError):
    """Raised if the header, the index or the data of a bundle is corrupt."""


class OutputError(GptoolError, OSError):
    """Raised when the result can't be written."""


class OutputExistsError(OutputError, FileExistsError):
    """Raised when the result would replace what is there, unasked."""


class ExportCancelledError(GptoolError):
    """Raised in the threads of an export that was stopped from outside them."""


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Raise an OutputError that names `path`, the file or folder being written, in place of an OSError."""
    try:
        yield
    except GptoolError:
        raise
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", where=path) from error
