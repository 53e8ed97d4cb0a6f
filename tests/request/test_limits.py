"""The tile limit and the workers of a Python call."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from gptool.errors import ParameterError
from gptool.request.limits import MAX_WORKERS, read_limit, read_workers


@pytest.mark.parametrize("value", [None, 0, 1, 100_000, np.int64(5)])
def test_limit_is_none_or_an_integer(value: Any) -> None:
    assert read_limit(value) == value


@pytest.mark.parametrize("value", [-1, True, 5.0, "5", b"5", [], float("nan")], ids=repr)
def test_invalid_limit_is_rejected(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"^max_export_tiles_count: .*; found .*, expected .* 0 or more$"):
        read_limit(value)


@pytest.mark.posix("the processors of a process")
def test_workers_are_the_processors_by_default() -> None:
    assert read_workers(None) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("value", [1, 2, np.uint8(3), MAX_WORKERS])
def test_workers_are_an_integer(value: Any) -> None:
    assert read_workers(value) == value


@pytest.mark.parametrize("value", [0, -1, MAX_WORKERS + 1, True, 2.5, "2", []], ids=repr)
def test_invalid_workers_are_rejected(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"^workers: .*; found .*, expected .* 1 to 1024$"):
        read_workers(value)
