"""The server process: starts the service from its settings and runs it until it is stopped by a signal."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import cast

import uvicorn

from gptool import system
from gptool.errors import OutputError, SettingsError
from gptool.export.dask_cluster import check_address
from gptool.service.accepted_tokens import accepted_tokens
from gptool.service.app import make_app
from gptool.service.catalog import Catalog
from gptool.service.deployment import check_deployment
from gptool.service.http_limits import HttpLimits
from gptool.service.http_protocol import http_protocol
from gptool.service.http_workers import HttpWorkers
from gptool.service.log import configure_logging
from gptool.service.metrics_port import LOCAL_NAMES, shared_metrics, with_metrics
from gptool.service.middleware import without_port
from gptool.service.observers import request_observers
from gptool.service.queue.queue import JobQueue
from gptool.service.queue.remote import QueueClient
from gptool.service.settings import ServiceSettings, settings_key
from gptool.service.state import ServiceState
from gptool.service.urls import SERVICES

BACKLOG = 256
"""Number of connections that the system keeps until they are accepted, and that are accepted at once."""

MIN_JOB_MEMORY = 256
"""Megabytes that a job needs for its libraries and batches at least."""

OTHER_FILES = 512
"""Number of files that the service opens beside connections and what they send: its database, caches, workers."""

SHUTDOWN_SECONDS = 3
"""How long pending responses may take after the service was told to stop."""

LOG = logging.getLogger(__name__)

MAX_PORT = 65535
LOOPBACK_ADDRESSES = "127.0.0.0/8", "::1"
"""Addresses of reverse proxies on this machine."""


def serve(settings: ServiceSettings, on_ready: Callable[[str], None]) -> None:
    """Run the service until SIGTERM or SIGINT.

    Parameters
    ----------
    settings : ServiceSettings
    on_ready : callable
        Called with the URL of the list of services once the service accepts requests.

    Raises
    ------
    SettingsError
        If a setting is invalid, no cache is configured, or other machines could use the service without a token
        although that is not allowed.
    CacheError
        If a cache cannot be read.
    OutputError
        If the output directory cannot be used, or the address cannot be listened on.
    """
    _check_settings(settings)
    queue = JobQueue(settings)
    with ExitStack() as stack:
        if settings.metrics_port:
            stack.enter_context(shared_metrics())
        server = _make_server(settings, queue, stack)
        sockets = [stack.enter_context(_listen(settings))]
        if settings.metrics_port:
            metrics = replace(settings, host="127.0.0.1", port=settings.metrics_port)
            sockets.append(stack.enter_context(_listen(metrics)))
        system.end_with_this_process()
        asyncio.run(_run(settings, queue, server, sockets, on_ready))


def serve_beside(settings: ServiceSettings, listener: socket.socket, connection: socket.socket) -> None:
    """Answer requests in another process than the first, until that one asks to stop or ends.

    Parameters
    ----------
    settings : ServiceSettings
    listener : socket
        The listening socket of the first process.
    connection : socket
        The connection to the first process, which has the queue of jobs.
    """
    configure_logging()
    # Windows lets only one process use completion ports, the default there, for a socket.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_run_beside(settings, listener, connection))


def _make_server(settings: ServiceSettings, queue: JobQueue, stack: ExitStack) -> uvicorn.Server:
    """Return the HTTP server of one process; the stack closes its access log."""
    tokens = accepted_tokens(settings)
    state = ServiceState(settings, Catalog(settings.caches), queue, tokens)
    is_local_only = _is_loopback(settings.host) and tokens is None and not settings.allow_anonymous
    observers = stack.enter_context(request_observers(state))
    app = make_app(state, _local_names(settings) if is_local_only else None, observers)
    app = with_metrics(app, state) if settings.metrics_port else app
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off",
        http=http_protocol(HttpLimits(_connection_limit(settings))), ws="none", backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        forwarded_allow_ips=[*LOOPBACK_ADDRESSES, *settings.proxy_hosts],
    )  # fmt: skip
    return uvicorn.Server(config)


def _check_settings(settings: ServiceSettings) -> None:
    if not settings.caches:
        raise SettingsError("no cache is given", expected="at least one NAME=CACHE, or a table [caches]")
    lowest = {"jobs": 1, "job_minutes": 1, "job_memory": MIN_JOB_MEMORY, "http_workers": 1, "max_connections": 1}
    for name, low in lowest.items():
        if (number := getattr(settings, name)) < low:
            raise SettingsError(
                f"{settings_key(name)} has an invalid value", found=number, expected=f"an integer from {low}"
            )
    for name in ("port", "metrics_port"):
        if (port := getattr(settings, name)) > MAX_PORT:
            raise SettingsError(
                f"{settings_key(name)} has an invalid value", found=port, expected=f"an integer from 0 to {MAX_PORT}"
            )
    if settings.dask:
        check_address(settings.dask)
    check_deployment(settings)
    if not (_is_loopback(settings.host) or settings.token_file or settings.user_file or settings.allow_anonymous):
        raise SettingsError(
            "host is reachable from other machines without authentication", found=settings.host,
            expected="a loopback address such as 127.0.0.1, or one of tokenFile, userFile and allowAnonymous",
        )  # fmt: skip


async def _run(
    settings: ServiceSettings,
    queue: JobQueue,
    server: uvicorn.Server,
    sockets: list[socket.socket],
    on_ready: Callable[[str], None],
) -> None:
    if not await _start(queue):
        return
    listener = sockets[0]
    workers = HttpWorkers(serve_beside, settings, listener, queue)
    try:
        _keep_after_stop_signals()
        workers.start()
        host = f"[{settings.host}]" if listener.family is socket.AF_INET6 else settings.host
        on_ready(f"http://{host}:{listener.getsockname()[1]}{SERVICES}")
        await server.serve(sockets)
    finally:
        await workers.stop()
        await queue.stop()


async def _run_beside(settings: ServiceSettings, listener: socket.socket, connection: socket.socket) -> None:
    client = QueueClient(connection)
    await client.start()
    with ExitStack() as stack:
        await _serve_until_stopped(_make_server(settings, cast("JobQueue", client), stack), client, listener)


async def _serve_until_stopped(server: uvicorn.Server, client: QueueClient, listener: socket.socket) -> None:
    async def stop_with_first() -> None:
        await client.stopped.wait()
        server.should_exit = True

    _keep_after_stop_signals()
    stopping = asyncio.create_task(stop_with_first())
    try:
        await server.serve([listener])
    finally:
        stopping.cancel()
        await client.stop()


def _keep_after_stop_signals() -> None:
    """Let uvicorn stop at signals: it raises them again then, but stopping the service is not a failure."""
    for number in system.STOP_SIGNALS:
        signal.signal(number, lambda *_: None)


async def _start(queue: JobQueue) -> bool:
    """Start the queue, which may take a while. Return False if a stop signal arrived meanwhile."""
    loop, starting = asyncio.get_running_loop(), asyncio.create_task(queue.start())

    def cancel(*_: object) -> None:
        loop.call_soon_threadsafe(starting.cancel)

    handlers = {number: signal.signal(number, cancel) for number in system.STOP_SIGNALS}
    try:
        await starting
    except asyncio.CancelledError:
        return False
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return True


def _connection_limit(settings: ServiceSettings) -> int:
    """Return how many connections are possible, up to that of the settings: each may send a file.

    The process must never run out of files: the system reports each connection that cannot be accepted again and again.
    """
    others = BACKLOG + OTHER_FILES
    files = system.allow_open_files(2 * settings.max_connections + others)
    possible = max(1, (files - others) // 2)
    if possible < settings.max_connections:
        LOG.warning("only %d connections are possible, since the process may open only %d files", possible, files)
    return min(possible, settings.max_connections)


def _local_names(settings: ServiceSettings) -> frozenset[str]:
    """Return the host names of a service that only this machine can reach: its own, and that of its proxy."""
    return LOCAL_NAMES | {settings.host.lower()} | ({without_port(settings.public_host)} - {""})


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(settings: ServiceSettings) -> socket.socket:
    """Return a socket that listens on the configured address."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OutputError(
            f"cannot listen on this address: {error.strerror or error}", where=f"{settings.host}:{settings.port}"
        ) from error
    # Accepted connections inherit the option. A response is sent as head and body; without the option, the body of
    # every response on a kept-alive connection waits 40 ms for the client's delayed acknowledgement of the head
    # (RFC 896, RFC 1122).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
