"""Fixtures of tests of the service over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.caches import make_cache, world
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess


@pytest.fixture(scope="session")
def rest_service(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServiceProcess]:
    """A service of two caches, World and Maps/Second, with default limits."""
    folder = tmp_path_factory.mktemp("rest_service")
    second = make_cache(folder / "second", world())
    with ServiceProcess(folder, f"World={cache}", f"Maps/Second={second}") as running:
        yield running


@pytest.fixture
def client(rest_service: ServiceProcess) -> RestClient:
    """A client of `rest_service`; modules that start another service override it."""
    return RestClient(rest_service.address)
