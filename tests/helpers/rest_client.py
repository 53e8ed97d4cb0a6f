"""A plain client of the service: one connection for each request, nothing understood but JSON."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

REST = "/arcgis/rest"
ENDED = "esriJobSucceeded", "esriJobFailed", "esriJobCancelled"
PATIENCE = 60
"""Seconds until a job that has not ended is taken for stuck."""


class Reply(NamedTuple):
    """An answer: status, headers by their names in small letters, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/json", self
        value: dict[str, Any] = json.loads(self.body)
        return value

    def error(self) -> dict[str, Any]:
        """The error object, which comes with HTTP status 200."""
        assert self.status == 200, self
        error: dict[str, Any] = self.json()["error"]
        assert set(error) == {"code", "message", "details"}
        return error


class RestClient:
    def __init__(self, address: str, **headers: str) -> None:
        self.address, self.headers = address, headers

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send a request as it is."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            sent = {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
            connection.request(method, target, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **parameters: object) -> Reply:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self.ask("GET", self.path(path) + query)

    def post(self, path: str, **parameters: object) -> Reply:
        form = urlencode(parameters).encode()
        return self.ask("POST", self.path(path), form, Content_Type="application/x-www-form-urlencoded")

    def path(self, path: str) -> str:
        """A path, or an address that an answer gave, as it is sent."""
        below = path.removeprefix(f"http://{self.address}")
        return below if below.startswith("/") else quote(f"{REST}/{below}")

    def json(self, path: str, **parameters: object) -> dict[str, Any]:
        reply = self.get(path, f="json", **parameters)
        assert reply.status == 200, reply
        return reply.json()

    def wait(self, job: str) -> dict[str, Any]:
        """The job at this path, once it has ended."""
        end = time.monotonic() + PATIENCE
        while (value := self.json(job))["jobStatus"] not in ENDED:
            assert time.monotonic() < end, value
            time.sleep(0.02)
        return value

    def run(self, operation: str, **parameters: object) -> tuple[str, dict[str, Any]]:
        """The path of a job of an operation, and the job once it has ended."""
        reply = self.post(operation, f="json", **parameters).json()
        job = f"{operation}/jobs/{reply['jobId']}"
        return job, self.wait(job)

    def result(self, job: str, name: str = "out_service_url") -> Any:
        return self.json(f"{job}/results/{name}")["value"]
