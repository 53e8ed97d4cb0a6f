"""Responses on a kept-alive connection are not delayed by the network stack."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from statistics import median

import pytest

from helpers.service_process import ServiceProcess

PATHS = "/arcgis/rest/info?f=json", "/arcgis/rest/services/World/ImageServer/tile/0/0/0"
REQUESTS = 25
MAX_RATIO = 4
"""A new connection costs a request about 2 ms; a delayed acknowledgement makes that 44 ms, 20 times as much."""

MAX_SECONDS = 0.02
"""A tenth of a millisecond to two is usual."""


def seconds_to_response(connection: http.client.HTTPConnection, path: str) -> float:
    start = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    return time.perf_counter() - start


@pytest.mark.parametrize("path", PATHS)
def test_kept_alive_connections_respond_as_fast_as_new_ones(service: ServiceProcess, path: str) -> None:
    kept_alive, new = [], []
    with closing(http.client.HTTPConnection(service.address)) as connection:
        for _ in range(REQUESTS):  # alternating, so that both meet the same load of the machine
            kept_alive.append(seconds_to_response(connection, path))
            with closing(http.client.HTTPConnection(service.address)) as another:
                new.append(seconds_to_response(another, path))
    assert median(kept_alive) < min(MAX_RATIO * median(new), MAX_SECONDS)
