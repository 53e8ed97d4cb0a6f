"""The observers of the requests that a process answers, as its settings require."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gptool.service.access_log import AccessLog
from gptool.service.metrics_port import request_metrics
from gptool.service.observation import Observer
from gptool.service.state import ServiceState


@contextmanager
def request_observers(state: ServiceState) -> Iterator[list[Observer]]:
    """Provide the observers of this process.

    Raises
    ------
    SettingsError
        If the library for metrics is not installed.
    OutputError
        If the access log cannot be opened.
    """
    settings = state.settings
    observers: list[Observer] = []
    with ExitStack() as stack:
        if settings.metrics_port:
            observers.append(request_metrics())
        if settings.access_log:
            observers.append(stack.enter_context(AccessLog(settings.access_log, state.token_name)))
        yield observers
