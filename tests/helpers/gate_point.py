"""The side of a gate that waits: the hook in a program whose batches of tiles `helpers.gate` holds.

Programs of their own load only this module and the standard library, see `gate_hook/sitecustomize.py`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar

MODULE, FUNCTION = "gptool.jpeg.recompression", "recompress_tiles"
"""What exports and estimates call for each batch of tiles, in whichever thread or process they handle it."""

VARIABLE = "GPTOOL_TEST_GATE"
"""Environment variable that names the folder of the gate."""

ARRIVALS, PORT = "arrivals", "port"
"""Files of a gate: a line for each batch that has arrived, and the port of its server while it is closed."""

HOST = "127.0.0.1"

P = ParamSpec("P")
R = TypeVar("R")


def wait_at(folder: Path) -> None:
    """Report a batch's arrival, and return when the gate is open or lets one batch pass.

    A closed gate has a server, which ends the connection when the batch may pass. A test that dies ends all of them:
    nothing is held for ever.
    """
    arrivals = os.open(folder / ARRIVALS, os.O_WRONLY | os.O_APPEND)
    os.write(arrivals, f"{os.getpid()}\n".encode())
    os.close(arrivals)
    if port := (folder / PORT).read_text():
        with suppress(ConnectionError), socket.create_connection((HOST, int(port))) as connection:
            connection.recv(1)


def gated(function: Callable[P, R], folder: Path) -> Callable[P, R]:
    """Return the function with the gate in front of it."""

    @wraps(function)
    def wait_and_call(*args: P.args, **kwargs: P.kwargs) -> R:
        wait_at(folder)
        return function(*args, **kwargs)

    return wait_and_call


class _Finder(importlib.abc.MetaPathFinder):
    """Puts the gate into the module as soon as that is imported, before others import the function from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec, fullname
        assert spec.loader, fullname
        execute = spec.loader.exec_module

        def execute_with_gate(module: ModuleType) -> None:
            execute(module)
            setattr(module, FUNCTION, gated(getattr(module, FUNCTION), self._folder))

        spec.loader.exec_module = execute_with_gate  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Put the gate that the environment names into this program, which has imported nothing of gptool yet."""
    if folder := os.environ.get(VARIABLE):
        sys.meta_path.insert(0, _Finder(Path(folder)))
