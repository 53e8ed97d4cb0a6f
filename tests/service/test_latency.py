"""Responses on a kept-alive connection are not delayed by the network stack."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from statistics import median

from helpers.service_process import ServiceProcess

PATH = "/arcgis/rest/info?f=json"
REQUESTS = 25
MAX_RATIO = 4
"""A new connection costs a request about 2 ms; a delayed acknowledgement makes that 44 ms, 20 times as much."""


def seconds_to_response(connection: http.client.HTTPConnection) -> float:
    start = time.perf_counter()
    connection.request("GET", PATH)
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    return time.perf_counter() - start


def test_kept_alive_connections_respond_as_fast_as_new_ones(service: ServiceProcess) -> None:
    kept_alive, new = [], []
    with closing(http.client.HTTPConnection(service.address)) as connection:
        for _ in range(REQUESTS):  # alternating, so that both meet the same load of the machine
            kept_alive.append(seconds_to_response(connection))
            with closing(http.client.HTTPConnection(service.address)) as another:
                new.append(seconds_to_response(another))
    assert median(kept_alive) < MAX_RATIO * median(new)
