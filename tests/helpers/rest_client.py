"""A minimal REST client: one connection per request."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from helpers.waiting import TIMEOUT, wait_until

REST = "/arcgis/rest"
ENDED = "esriJobSucceeded", "esriJobFailed", "esriJobCancelled"


class Reply(NamedTuple):
    """A response: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/json", self
        value: dict[str, Any] = json.loads(self.body)
        return value

    def error(self) -> dict[str, Any]:
        """Return the error object of a response with HTTP status 200."""
        assert self.status == 200, self
        error: dict[str, Any] = self.json()["error"]
        assert set(error) == {"code", "message", "details"}
        return error


class RestClient:
    """A client of the service at an address; the headers are sent with every request."""

    def __init__(self, address: str, **headers: str) -> None:
        self.address, self.headers = address, headers

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send a request. Underscores in the names of headers stand for hyphens."""
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        try:
            sent = {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
            connection.request(method, target, body, sent)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, received, response.read())
        finally:
            connection.close()

    def get(self, path: str, **parameters: object) -> Reply:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self.ask("GET", self.path(path) + query)

    def post(self, path: str, **parameters: object) -> Reply:
        form = urlencode(parameters).encode()
        return self.ask("POST", self.path(path), form, Content_Type="application/x-www-form-urlencoded")

    def path(self, path: str) -> str:
        """Return the absolute path of a path below `REST`, or of a URL of the service."""
        relative = path.removeprefix(f"http://{self.address}")
        return relative if relative.startswith("/") else quote(f"{REST}/{relative}")

    def json(self, path: str, **parameters: object) -> dict[str, Any]:
        reply = self.get(path, f="json", **parameters)
        assert reply.status == 200, reply
        return reply.json()

    def wait(self, job: str) -> dict[str, Any]:
        """Wait until a job has ended, and return its JSON."""
        wait_until(lambda: self.json(job)["jobStatus"] in ENDED, lambda: self.json(job))
        return self.json(job)

    def run(self, operation: str, **parameters: object) -> tuple[str, dict[str, Any]]:
        """Run a job of an operation, and return its path and its JSON."""
        reply = self.post(operation, f="json", **parameters).json()
        job = f"{operation}/jobs/{reply['jobId']}"
        return job, self.wait(job)

    def result(self, job: str, name: str = "out_service_url") -> Any:
        """Return the value of a result of a job."""
        return self.json(f"{job}/results/{name}")["value"]
