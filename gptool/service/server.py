"""Running the service: from settings to answers, until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable

import uvicorn

from gptool.errors import OutputError, SettingsError
from gptool.service.app import make_app
from gptool.service.catalog import Catalog
from gptool.service.queue.queue import Engine
from gptool.service.resources.call import SERVICES
from gptool.service.settings import ServiceSettings
from gptool.service.site import Site
from gptool.service.tokens import Tokens

LONGEST_QUERY = 1024 * 1024
"""Bytes of a request's first line and headers: clients send areas by GET."""

SECONDS_FOR_THE_LAST = 3
"""How long answers that are under way may take when the service stops."""

LAST_PORT = 65535
STOPPING = signal.SIGINT, signal.SIGTERM
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def serve(settings: ServiceSettings, on_ready: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT.

    Parameters
    ----------
    on_ready : callable
        Called with the address of the list of services, once it is there.

    Raises
    ------
    SettingsError
        When there is nothing to offer, or others could reach what is open to all, unasked.
    CacheError
        When a cache can't be read.
    OutputError
        When the output directory can't be used, or the port is taken.
    """
    _check(settings)
    tokens = Tokens(settings.token_file) if settings.token_file else None
    site = Site(settings, Catalog(settings.caches), Engine(settings), tokens)
    is_open_here_only = _is_local(settings.host) and tokens is None and not settings.allow_anonymous
    app = make_app(site, LOCAL | {settings.host.lower()} if is_open_here_only else None)
    with _listen(settings) as listener:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, lifespan="off",
            http="h11", h11_max_incomplete_event_size=LONGEST_QUERY, timeout_graceful_shutdown=SECONDS_FOR_THE_LAST,
        )  # fmt: skip
        asyncio.run(_run(site, uvicorn.Server(config), listener, on_ready))


def _check(settings: ServiceSettings) -> None:
    if not settings.caches:
        raise SettingsError("none are named", where="caches", expected="at least one")
    if settings.jobs < 1:
        raise SettingsError("none could run", where="jobs", found=settings.jobs, expected="at least 1")
    if settings.port > LAST_PORT:
        raise SettingsError("no port", where="port", found=settings.port, expected=f"0 to {LAST_PORT}")
    if not (_is_local(settings.host) or settings.token_file or settings.allow_anonymous):
        raise SettingsError(
            "others can reach this address", where="host", found=settings.host,
            expected="a token file, or to allow anonymous calls",
        )  # fmt: skip


async def _run(site: Site, server: uvicorn.Server, listener: socket.socket, on_ready: Callable[[str], None]) -> None:
    if not await _start(site.engine):
        return
    try:
        # uvicorn stops at these, and then raises them again: to stop when told to is no failure.
        for number in STOPPING:
            signal.signal(number, lambda *_: None)
        host = f"[{site.settings.host}]" if listener.family is socket.AF_INET6 else site.settings.host
        on_ready(f"http://{host}:{listener.getsockname()[1]}{SERVICES}")
        await server.serve([listener])
    finally:
        await site.engine.stop()


async def _start(engine: Engine) -> bool:
    """Start the engine, which may take a while; return False when the service was told to stop meanwhile."""
    loop, starting = asyncio.get_running_loop(), asyncio.create_task(engine.start())
    for number in STOPPING:
        loop.add_signal_handler(number, starting.cancel)
    try:
        await starting
    except asyncio.CancelledError:
        return False
    finally:
        for number in STOPPING:
            loop.remove_signal_handler(number)
    return True


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(settings: ServiceSettings) -> socket.socket:
    """Return a socket that listens at the settings' address."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise OutputError(
            f"can't listen there: {error.strerror or error}",
            where=f"{settings.host}:{settings.port}",
        ) from error
    # Accepted connections inherit it. An answer is sent as head and body: without it, the body of every answer on a
    # kept-alive connection waits 40 ms for the client's delayed acknowledgement of the head (RFC 896, RFC 1122).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
