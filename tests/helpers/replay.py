"""Replay of recorded requests, with checks of each response for what clients need."""

from __future__ import annotations

import gzip
import json
import re
import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from gptool import export_tiles_job
from helpers import response_checks
from helpers.gate import Gate
from helpers.recordings import CANCEL, WIDE, ExportAtGate, Request, read_recording
from helpers.waiting import TIMEOUT, wait_until

REPORT = "report.json"
NO_FEATURES = '"features": []}'
"""End of the default area of interest, which the ArcGIS API for Python sends if none is given."""
ENDED = {"esriJobSucceeded", "esriJobFailed", "esriJobCancelled"}
ROOT = "/arcgis/rest"
OUTPUT = "/directories/arcgisoutput/"


class Submitted(NamedTuple):
    """A submitted job: task, service and parameters."""

    job_id: str
    task: str
    service: str
    parameters: dict[str, str]


class Replay:
    """Replay of the requests of one client.

    Parameters
    ----------
    url : str
        The URL of the service, without `/arcgis/rest`.
    caches : mapping of str to Path
        The published caches by service name.
    folder : Path
        Where the expected results are written.
    tls : ssl.SSLContext, optional
        The certificates that are trusted, if the URL is one of HTTPS.

    Attributes
    ----------
    jobs : list of Submitted
    files : list of str
        Names of the files that were downloaded.
    estimates : list of dict
        The estimates that were received.
    """

    def __init__(self, url: str, caches: Mapping[str, Path], folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.url, self.caches, self.folder, self.tls = url, caches, folder, tls
        self.jobs: list[Submitted] = []
        self._expected: dict[str, Path] = {}
        self.files: list[str] = []
        self.estimates: list[dict[str, int]] = []

    def send_recording(self, name: str, gate: Gate) -> None:
        """Send the requests of a recording. An export that its client cancels is held at the gate until then."""
        requests = read_recording(name)
        is_cancelled = any(CANCEL in request["path"] for request in requests)
        with ExportAtGate(gate, WIDE, CANCEL) as held:
            for request in requests:
                if is_cancelled:
                    held.before(request["path"], request["body"])
                self.send(request)
                held.after(request["path"])

    def send(self, request: Request) -> None:
        """Send a request, repeatedly if it is a poll."""
        path, body = map(self._fill, (request["path"], request["body"]))

        def is_answered() -> bool:
            value = self._request(request, path, body)
            if value is None or "until" not in request or value["jobStatus"] == request["until"]:
                return True
            assert value["jobStatus"] not in ENDED, value
            return False

        wait_until(is_answered, lambda: request)

    def _request(self, request: Request, path: str, body: str) -> Any:
        server = urlsplit(self.url)
        connection = (
            HTTPSConnection(server.netloc, timeout=TIMEOUT, context=self.tls)
            if self.tls
            else HTTPConnection(server.netloc, timeout=TIMEOUT)
        )
        connection.request(request["method"], server.path + path, body or None, request["headers"])
        response = connection.getresponse()
        content = response.read()
        if response.getheader("content-encoding") == "gzip":
            content = gzip.decompress(content)
        connection.close()
        # The ArcGIS API for Python asks for a password if there is either of these headers.
        assert not {"www-authenticate", "set-cookie"} & {name.lower() for name in response.headers}
        resource = urlsplit(path).path
        if not resource.startswith(ROOT):
            return None  # a client looks for another application of the server
        assert response.status == 200, (path, content)
        resource = resource.removeprefix(ROOT)
        if resource.startswith(OUTPUT):
            return self._check_output(resource.removeprefix(OUTPUT), content)
        value = json.loads(content)
        assert "error" not in value, (path, value)
        [check] = [check for pattern, check in CHECKS if re.fullmatch(pattern, resource)]
        check(value)
        if resource.endswith(SUBMISSIONS):
            self._check_submission(resource, dict(parse_qsl(urlsplit(path).query) + parse_qsl(body)), value)
        elif "/results/" in resource or "/inputs/" in resource:
            self._check_result(resource.split("/"), value)
        return value

    def _fill(self, text: str) -> str:
        text = re.sub(r"\{job(\d+)\}", lambda found: self.jobs[int(found[1]) - 1].job_id, text)
        return text.replace("{address}", urlsplit(self.url).netloc)

    def _check_submission(self, resource: str, parameters: dict[str, str], value: dict[str, str]) -> None:
        response_checks.check_status(value, "esriJobSubmitted")
        name = parameters.get("cache") or re.split("/(?:Image|Map)Server/", resource.removeprefix("/services/"))[0]
        task = "estimate" if "stimateExportTilesSize" in resource else "export"
        self.jobs.append(Submitted(value["jobId"], task, name, parameters))

    def _check_result(self, parts: list[str], result: dict[str, Any]) -> None:
        response_checks.check_result(result, parts[-1])
        if result["dataType"] == "GPDataFile":
            url = result["value"]["url"].removeprefix(self.url)
            self.send({"method": "GET", "path": url, "headers": {}, "body": ""})
        if parts[-1] != "out_service_url" or parts[-2] != "results":
            return
        assert result["dataType"] == "GPString"
        if self._job(parts[-3]).task == "estimate":
            value = json.loads(result["value"]) if "GPServer" in parts else result["value"]
            response_checks.check_estimate(value)
            self.estimates.append(value)
        else:
            assert result["value"] == f"{self.url}{ROOT}{OUTPUT}{parts[-3]}"

    def _check_output(self, path: str, content: bytes) -> None:
        job_id, *parts = path.strip("/").split("/")
        expected = self._expected_output(self._job(job_id)).joinpath(*parts)
        if expected.is_file():
            # The report contains the id and the times of the job.
            assert expected.name == REPORT or content == expected.read_bytes()
            self.files.append(expected.name)
        else:
            url = f"{self.url}{ROOT}{OUTPUT}{path.strip('/')}"
            self._check_listing(url, expected, json.loads(content))

    def _job(self, job_id: str) -> Submitted:
        [job] = [job for job in self.jobs if job.job_id == job_id]
        return job

    def _expected_output(self, job: Submitted) -> Path:
        """Return the folder of an export without the service, with the same parameters."""
        if job.job_id not in self._expected:
            parameters = {name: value for name, value in job.parameters.items() if not value.endswith(NO_FEATURES)}
            result = export_tiles_job(
                parameters,
                cache=self.caches[job.service],
                output_directory=self.folder,
                max_export_tiles_count=None,
                service=job.service,
            )
            self._expected[job.job_id] = Path(result.result("out_service_url")["value"])
        return self._expected[job.job_id]

    @staticmethod
    def _check_listing(url: str, expected: Path, listing: dict[str, Any]) -> None:
        files = [file["name"] for file in listing["files"]]
        # Some clients download the first file, others all files, so the report is not listed.
        assert sorted(files) == sorted(
            path.name for path in expected.iterdir() if path.is_file() and path.name != REPORT
        )
        assert [file["url"] for file in listing["files"]] == [f"{url}/{name}" for name in files]
        assert {*listing["folders"]} == {f"{url}/{path.name}" for path in expected.iterdir() if path.is_dir()}


SUBMISSIONS = "exportTiles", "estimateExportTilesSize", "submitJob"
SERVICE = r"/services/(?:\w+/)?\w+/(?:Image|Map)Server"
JOB = rf"(?:/services/ExportTiles/GPServer/\w+|{SERVICE}(?:/\w+)?)/jobs/j[0-9a-f]{{32}}"


def check_nothing(value: object) -> None:
    """Check nothing: the response is checked together with its request."""


CHECKS: tuple[tuple[str, Callable[[Any], None]], ...] = (
    ("/info", response_checks.check_info),
    ("/services", response_checks.check_catalog),
    ("/services/ExportTiles/GPServer", response_checks.check_gp_service),
    (r"/services/ExportTiles/GPServer/\w+", response_checks.check_task),
    (SERVICE, response_checks.check_service),
    (
        rf"/services/ExportTiles/GPServer/\w+/submitJob|{SERVICE}/(?:e|estimateE)xportTiles(?:Size)?(?:/submitJob)?",
        check_nothing,
    ),
    (JOB, response_checks.check_job),
    (f"{JOB}/cancel", lambda value: response_checks.check_status(value, "esriJobCancelling", "esriJobCancelled")),
    (rf"{JOB}/(?:results|inputs)/\w+", check_nothing),
)
"""Checks by patterns of paths below the root."""
