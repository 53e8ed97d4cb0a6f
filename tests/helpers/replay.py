"""Sends what clients were recorded to send, and checks each answer by what they need of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from gptool import export_tiles_job
from helpers import rest_answers
from helpers.recordings import Request

REPORT = "report.json"
NO_FEATURES = '"features": []}'
"""So ends the schema of an area, which the ArcGIS API for Python sends where none was given."""
TIMEOUT = 60
BETWEEN_POLLS = 0.05
ENDS = {"esriJobSucceeded", "esriJobFailed", "esriJobCancelled"}
ROOT = "/arcgis/rest"
OUTPUT = "/directories/arcgisoutput/"


class Submitted(NamedTuple):
    """A job: what was asked for, of which service."""

    job_id: str
    task: str
    service: str
    sent: dict[str, str]


class Replay:
    """One client's sequence, sent again. `caches` are those of the services, by their names.

    `files` and `estimates` are what was had in the end.
    """

    def __init__(self, address: str, caches: Mapping[str, Path], folder: Path) -> None:
        self.address, self.caches, self.folder = address, caches, folder
        self.jobs: list[Submitted] = []
        self._own: dict[str, Path] = {}
        self.files: list[str] = []
        self.estimates: list[dict[str, int]] = []

    def send(self, request: Request) -> None:
        """Send one request, again and again where its client polled."""
        path, body = map(self._fill, (request["path"], request["body"]))
        end = time.monotonic() + TIMEOUT
        while (answer := self._answer(request, path, body)) is not None:
            if "until" not in request or answer["jobStatus"] == request["until"]:
                return
            assert answer["jobStatus"] not in ENDS, answer
            assert time.monotonic() < end, answer
            time.sleep(BETWEEN_POLLS)

    def _answer(self, request: Request, path: str, body: str) -> Any:
        connection = HTTPConnection(self.address, timeout=TIMEOUT)
        connection.request(request["method"], path, body or None, request["headers"])
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        # Either makes the ArcGIS API for Python ask for a password.
        assert not {"www-authenticate", "set-cookie"} & {name.lower() for name in answer.headers}
        place = urlsplit(path).path
        if not place.startswith(ROOT):
            return None  # another application of the site, which a client looks for
        assert answer.status == 200, (path, content)
        place = place.removeprefix(ROOT)
        if place.startswith(OUTPUT):
            return self._check_output(place.removeprefix(OUTPUT), content)
        value = json.loads(content)
        assert "error" not in value, (path, value)
        [check] = [check for shape, check in CHECKS if re.fullmatch(shape, place)]
        check(value)
        if place.endswith(SUBMISSIONS):
            self._submitted(place, dict(parse_qsl(urlsplit(path).query) + parse_qsl(body)), value)
        elif "/results/" in place or "/inputs/" in place:
            self._check_result(place.split("/"), value)
        return value

    def _fill(self, text: str) -> str:
        text = re.sub(r"\{job(\d+)\}", lambda found: self.jobs[int(found[1]) - 1].job_id, text)
        return text.replace("{address}", self.address)

    def _submitted(self, place: str, sent: dict[str, str], answer: dict[str, str]) -> None:
        rest_answers.check_status(answer, "esriJobSubmitted")
        name = sent.get("cache") or re.split("/(?:Image|Map)Server/", place.removeprefix("/services/"))[0]
        task = "estimate" if "stimateExportTilesSize" in place else "export"
        self.jobs.append(Submitted(answer["jobId"], task, name, sent))

    def _check_result(self, parts: list[str], result: dict[str, Any]) -> None:
        rest_answers.check_result(result, parts[-1])
        if result["dataType"] == "GPDataFile":
            url = result["value"]["url"].removeprefix(f"http://{self.address}")
            self.send({"method": "GET", "path": url, "headers": {}, "body": ""})
        if parts[-1] != "out_service_url" or parts[-2] != "results":
            return
        assert result["dataType"] == "GPString"
        if self._job(parts[-3]).task == "estimate":
            value = json.loads(result["value"]) if "GPServer" in parts else result["value"]
            rest_answers.check_estimate(value)
            self.estimates.append(value)
        else:
            assert result["value"] == f"http://{self.address}{ROOT}{OUTPUT}{parts[-3]}"

    def _check_output(self, place: str, content: bytes) -> None:
        job_id, *parts = place.strip("/").split("/")
        path = self._own_export(self._job(job_id)).joinpath(*parts)
        if path.is_file():
            # The report names the job, and times.
            assert path.name == REPORT or content == path.read_bytes()
            self.files.append(path.name)
        else:
            self._check_listing(f"http://{self.address}{ROOT}{OUTPUT}{place.strip('/')}", path, json.loads(content))

    def _job(self, job_id: str) -> Submitted:
        [job] = [job for job in self.jobs if job.job_id == job_id]
        return job

    def _own_export(self, job: Submitted) -> Path:
        """The folder of an export of our own, asked for by the same parameters."""
        if job.job_id not in self._own:
            sent = {name: value for name, value in job.sent.items() if not value.endswith(NO_FEATURES)}
            own = export_tiles_job(
                sent,
                cache=self.caches[job.service],
                output_directory=self.folder,
                max_export_tiles_count=None,
                service=job.service,
            )
            self._own[job.job_id] = Path(own.result("out_service_url")["value"])
        return self._own[job.job_id]

    @staticmethod
    def _check_listing(url: str, own: Path, listing: dict[str, Any]) -> None:
        files = [file["name"] for file in listing["files"]]
        # Some clients take the first file there is, others all of them: the report is not among them.
        assert sorted(files) == sorted(path.name for path in own.iterdir() if path.is_file() and path.name != REPORT)
        assert [file["url"] for file in listing["files"]] == [f"{url}/{name}" for name in files]
        assert {*listing["folders"]} == {f"{url}/{path.name}" for path in own.iterdir() if path.is_dir()}


SUBMISSIONS = "exportTiles", "estimateExportTilesSize", "submitJob"
SERVICE = r"/services/(?:\w+/)?\w+/(?:Image|Map)Server"
JOB = rf"(?:/services/ExportTiles/GPServer/\w+|{SERVICE}(?:/\w+)?)/jobs/j[0-9a-f]{{32}}"


def check_nothing(value: object) -> None:
    """Leave it to those who know what was sent."""


CHECKS: tuple[tuple[str, Callable[[Any], None]], ...] = (
    ("/info", rest_answers.check_info),
    ("/services", rest_answers.check_catalog),
    ("/services/ExportTiles/GPServer", rest_answers.check_gp_service),
    (r"/services/ExportTiles/GPServer/\w+", rest_answers.check_task),
    (SERVICE, rest_answers.check_service),
    (
        rf"/services/ExportTiles/GPServer/\w+/submitJob|{SERVICE}/(?:e|estimateE)xportTiles(?:Size)?(?:/submitJob)?",
        check_nothing,
    ),
    (JOB, rest_answers.check_job),
    (f"{JOB}/cancel", lambda value: rest_answers.check_status(value, "esriJobCancelling", "esriJobCancelled")),
    (rf"{JOB}/(?:results|inputs)/\w+", check_nothing),
)
"""By the shape of a path below the root."""
