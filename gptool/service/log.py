"""The log of the service, on standard error."""

from __future__ import annotations

import logging

from gptool.service.repeated_messages import RepeatedMessages


def configure_logging() -> None:
    """Set up the log of a process of the service."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(RepeatedMessages())
    logging.getLogger("gptool").setLevel(logging.INFO)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of what clients are answered
