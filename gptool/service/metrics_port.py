"""The port of the metrics: an application of its own, beside that of the service."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gptool import system
from gptool.errors import SettingsError
from gptool.service.middleware import HostCheckMiddleware
from gptool.service.observation import Observer
from gptool.service.state import ServiceState

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names of this machine."""

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which processes share the numbers of requests, see `gptool.service.metrics`."""


class PortApp:
    """The application of a service and, for the requests of one port, another application.

    Parameters
    ----------
    app, other : ASGI application
    port : int
        The port of `other`.
    """

    def __init__(self, app: ASGIApp, other: ASGIApp, port: int) -> None:
        self._app, self._other, self._port = app, other, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        server = scope.get("server")
        app = self._other if server and server[1] == self._port else self._app
        await app(scope, receive, send)


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Make a folder for the numbers of requests of this process and of those that it starts."""
    folder = tempfile.mkdtemp(prefix="gptool-metrics-")
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[FOLDER_VARIABLE]
        system.remove_folder(Path(folder))  # files that this process still has open stay, on Windows


def request_metrics() -> Observer:
    """Return the observer that counts the requests of this process.

    Raises
    ------
    SettingsError
        If the library for metrics is not installed.
    """
    try:
        from gptool.service.metrics import RequestMetrics
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is missing: pip install 'gptool-export-tiles[service]'") from None
    return RequestMetrics()


def with_metrics(app: ASGIApp, state: ServiceState) -> PortApp:
    """Return an application that also answers `/metrics` on the port of the metrics."""
    from gptool.service.metrics import metrics_app

    metrics = metrics_app(state.settings, state.queue, os.environ[FOLDER_VARIABLE])
    return PortApp(app, HostCheckMiddleware(metrics, LOCAL_NAMES, ""), state.settings.metrics_port)
