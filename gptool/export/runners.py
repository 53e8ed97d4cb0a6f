"""Where the units of an export run, as its callers say: on threads, on an executor, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from gptool.errors import ParameterError
from gptool.export.cluster import Cluster
from gptool.export.dask_cluster import connect, counter_of_threads
from gptool.export.scheduler import Threads
from gptool.export.unit import UnitRunner
from gptool.request.limits import read_workers
from gptool.request.values import format_value


@contextmanager
def unit_runner(workers: Any = None, executor: Any = None, dask: str | None = None) -> Iterator[UnitRunner]:
    """Return what runs the units of an export.

    Parameters
    ----------
    workers : int or None
        Units at once: by default, as many as this computer has processors, or the executor has workers.
    executor : concurrent.futures.Executor or None
    dask : str or None
        The address of the scheduler of a Dask cluster, as in `tcp://10.0.0.1:8786`.

    Raises
    ------
    ParameterError
        If a value is invalid, both an executor and a Dask cluster are given, or Dask is not installed.
    GptoolError
        If the cluster cannot be reached.
    """
    at_once = read_workers(workers)
    if executor is not None and dask is not None:
        raise ParameterError("contradicts executor", where="dask", expected="one of them")
    if dask is not None:
        with connect(dask, None if workers is None else at_once) as cluster:
            yield cluster
        return
    if executor is None:
        yield Threads(at_once)
        return
    if not isinstance(executor, Executor):
        expected = "a concurrent.futures.Executor"
        raise ParameterError("is no executor", where="executor", found=format_value(executor), expected=expected)
    yield Cluster(executor, (lambda: at_once) if workers is not None else _slots(executor, at_once))


def _slots(executor: Executor, default: int) -> Callable[[], int]:
    """Return a function that returns how many units an executor runs at once: the default if it does not tell."""
    return counter_of_threads(executor) or (lambda: getattr(executor, "_max_workers", default))
