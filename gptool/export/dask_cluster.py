"""Dask clusters: connecting to the scheduler, and how many units the workers run at once."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gptool.errors import GptoolError, ParameterError
from gptool.export.cluster import Cluster
from gptool.system.store_url import hide_secrets

if TYPE_CHECKING:
    from distributed import Client

PARAMETER = "dask"
EXTRA = "cluster"

CONNECT_SECONDS = 30
"""How long to wait for the scheduler, and then for the first worker."""

QUIET_LOGGERS = "distributed", "distributed.client", "distributed.comm", "distributed.core"

COUNT_SECONDS = 2.0
"""How often the threads of all workers are counted again."""


@contextmanager
def connect(address: str, slots: int | None) -> Iterator[Cluster]:
    """Connect to the scheduler of a Dask cluster.

    Parameters
    ----------
    address : str
        As in `tcp://10.0.0.1:8786`.
    slots : int or None
        Tasks at once; by default, as many as the workers have threads.

    Raises
    ------
    ParameterError
        If Dask is not installed, or the address is invalid.
    GptoolError
        If there is no scheduler, or it has no worker.
    """
    check_address(address)
    shown = hide_secrets(address)
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        expected = "the address of a running scheduler"
        raise GptoolError("no scheduler answers", where=PARAMETER, found=shown, expected=expected) from error
    with _quiet(), client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise GptoolError("the scheduler has no worker", where=PARAMETER, found=shown) from error
        threads = _ThreadCount(client)
        yield Cluster(client.get_executor(pure=False), (lambda: slots) if slots else threads, PARAMETER)


def check_address(address: str) -> None:
    """Check an address as far as that is possible without a connection.

    Raises
    ------
    ParameterError
        If Dask is not installed, or the address is invalid.
    """
    try:
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        install = f"pip install 'gptool-export-tiles[{EXTRA}]'"
        raise ParameterError("the package distributed is not installed", where=PARAMETER, expected=install) from error
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise ParameterError(
            "is no address",
            where=PARAMETER,
            found=hide_secrets(address),
            expected="an address as in tcp://10.0.0.1:8786",
        ) from error


def counter_of_threads(executor: Executor) -> Callable[[], int] | None:
    """Return a function that counts the threads of the workers behind an executor; None if it is not one of Dask."""
    module = sys.modules.get("distributed.cfexecutor")
    if module is None or not isinstance(executor, module.ClientExecutor):
        return None
    return _ThreadCount(executor._client)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging lost connections with tracebacks: the export reports them."""
    loggers = [logging.getLogger(name) for name in QUIET_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _ThreadCount:
    """The number of threads of all workers, which is asked for now and then."""

    def __init__(self, client: Client) -> None:
        self._client, self._count, self._next = client, 0, 0.0

    def __call__(self) -> int:
        now = time.monotonic()
        if now >= self._next:
            try:
                self._count = sum(self._client.nthreads().values())
            except Exception as error:
                raise GptoolError(f"the scheduler does not answer: {error}", where=PARAMETER) from error
            self._next = now + COUNT_SECONDS
        return self._count
