"""The first and the last messages of a job, as ArcGIS writes them."""

from __future__ import annotations

import re
from datetime import datetime

from gptool.errors import ExportCancelledError, GptoolError, LimitError
from gptool.model import Message

FRAME = re.compile(
    r"Start Time: .*|Failed to execute \(\w+\)\.|(Succeeded|Failed|Cancelled) at .* \(Elapsed Time: .*\)"
)
"""The messages that say that a job has started or ended, without the reason."""


def start_message() -> Message:
    """Return the first message of a job that starts now."""
    return Message("Informative", f"Start Time: {_now()}")


def closing_messages(operation: str, error: BaseException | None, seconds: float) -> list[Message]:
    """Return the last messages of a job that ends now.

    Parameters
    ----------
    operation : str
    error : BaseException or None
        None if the job succeeded. A job ends as cancelled by an `ExportCancelledError`, as failed by any other
        `GptoolError`, and as interrupted by any other exception, such as `KeyboardInterrupt`.
    seconds : float
        Time since the job started.
    """
    if error is None:
        return [_end_message("Succeeded", seconds)]
    if isinstance(error, ExportCancelledError):
        return [Message("Warning", f"Cancelled ({operation})."), _end_message("Cancelled", seconds)]
    if not isinstance(error, GptoolError):
        return [Message("Warning", f"Interrupted ({operation})."), _end_message("Cancelled", seconds)]
    advice = error.advice if isinstance(error, LimitError) else ()
    return [
        Message("Error", str(error)),
        *(Message("Informative", line) for line in advice),
        Message("Error", f"Failed to execute ({operation})."),
        _end_message("Failed", seconds),
    ]


def is_frame(message: Message) -> bool:
    """Return True if a message only says that a job has started or ended, which ArcGIS says of its tools by itself."""
    return FRAME.fullmatch(message.description) is not None


def _end_message(word: str, seconds: float) -> Message:
    return Message("Informative", f"{word} at {_now()} (Elapsed Time: {seconds:.2f} seconds)")


def _now() -> str:
    """Return the local time as ArcGIS writes it: Tuesday, February 19, 2019 2:23:39 PM."""
    now = datetime.now().astimezone()
    return f"{now:%A, %B} {now.day}, {now.year} {now.hour % 12 or 12}:{now:%M:%S %p}"
