"""Requests generated from the OpenAPI description, valid and invalid: no status 5xx, no traceback, no hang."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.service_process import ServiceProcess

TIMEOUT = 20
FORM_TYPE = "application/x-www-form-urlencoded"
DESCRIPTION = "/arcgis/rest/openapi.json"
AREAS = (
    '{"rings": [[[0, 0], [0, 9e6], [9e6, 0], [0, 0]]]}',
    '{"rings": [[[0, 0], [0, 1e999], [NaN, 0]]]}',
    '{"features": [], "fields": []}',
    '{"rings": ' + 500 * "[" + 500 * "]" + "}",
    '{"type": "Point", "coordinates": [0, 0]}',
)
INVALID_VALUES = (
    "../../../../etc/passwd",
    "%2e%2e/",
    "\0",
    "a" * 5000,
    "1e400",
    "-1",
    "[]",
    "true",
    "0-99999999",
    "\ud800",
)


class Operation(NamedTuple):
    """A method of a resource, with the schemas of its parameters in the path and in query or body."""

    method: str
    path: str
    in_path: dict[str, dict[str, Any]]
    sent: dict[str, dict[str, Any]]


class DescribedService(NamedTuple):
    """A service, the operations of its OpenAPI description, and the id of a job."""

    service: ServiceProcess
    operations: list[Operation]
    job: str


@pytest.fixture(scope="module")
def described(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DescribedService]:
    folder = tmp_path_factory.mktemp("described")
    with ServiceProcess(folder, f"World={cache}", f"Maps/World={cache}") as service:
        description = fetch(f"http://{service.address}{DESCRIPTION}")
        job = fetch(f"{service.url}/World/ImageServer/exportTiles?f=json&levels=0")["jobId"]
        yield DescribedService(service, list(read_operations(description)), job)


def fetch(url: str) -> Any:
    with urlopen(url, timeout=TIMEOUT) as response:
        return json.load(response)


def read_operations(description: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in description["paths"].items():
        for method, described in methods.items():
            schemas: dict[str, dict[str, Any]] = {"path": {}, "query": {}}
            for parameter in described.get("parameters", []):
                schemas[parameter["in"]][parameter["name"]] = parameter["schema"]
            form = (
                described["requestBody"]["content"][FORM_TYPE]["schema"]["properties"]
                if "requestBody" in described
                else {}
            )
            yield Operation(method.upper(), path, schemas["path"], schemas["query"] | form)


def values(name: str, schema: dict[str, Any], job: str) -> st.SearchStrategy[str]:
    """Return a strategy of values that the description allows, and of others."""
    allowed = {
        "integer": st.integers(schema.get("minimum"), schema.get("maximum")).map(str),
        "boolean": st.sampled_from(("true", "false", "True")),
        "string": st.sampled_from(schema["enum"]) if "enum" in schema else st.text(),
    }[schema["type"]]
    known = {
        "job": st.just(job),
        "name": st.sampled_from(("out_service_url", "levels")),
        "areaOfInterest": st.sampled_from(AREAS),
        "levels": st.sampled_from(("0-2", "8", "0,1", "1e-05-3", "2-0", "x")),
        "exportExtent": st.sampled_from(("DEFAULT", "0,0,1e7,1e7", "nan,0,1,1", '{"xmin": 0}', "inf,-inf,1,1")),
    }.get(name, allowed)
    return st.one_of(known, known, allowed, st.text(), st.sampled_from(INVALID_VALUES))


@st.composite
def requests(draw: st.DrawFn, operations: list[Operation], job: str) -> tuple[str, str, str]:
    """Return a method, a path and the parameters of query or body."""
    operation = draw(st.sampled_from(operations))
    path = operation.path
    for name, schema in operation.in_path.items():
        value = draw(values(name, schema, job)).encode("utf-8", "surrogatepass")
        path = path.replace(f"{{{name}}}", quote(value, safe="/") or "-")
    chosen = draw(st.sets(st.sampled_from(sorted(operation.sent)), max_size=5)) if operation.sent else ()
    sent = {name: draw(values(name, operation.sent[name], job)) for name in sorted(chosen)}
    return operation.method, path, urlencode({k: v.encode("utf-8", "surrogatepass") for k, v in sent.items()})


@settings(max_examples=300)
@given(data=st.data())
def test_any_request_is_answered(described: DescribedService, data: st.DataObject) -> None:
    service = described.service
    method, path, sent = data.draw(requests(described.operations, described.job))
    connection = HTTPConnection(service.address, timeout=TIMEOUT)
    if method == "GET":
        connection.request(method, f"{path}?{sent}")
    else:
        connection.request(method, path, sent, {"Content-Type": FORM_TYPE})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status < 500, content
    if response.status == 200 and response.headers.get_content_type() == "application/json":
        assert json.loads(content).get("error", {}).get("code") != 500
    assert "Traceback" not in service.log()


def test_all_operations_are_described(described: DescribedService) -> None:
    paths = {operation.path for operation in described.operations}
    for service in ("{service}/ImageServer", "{service}/MapServer"):
        for operation in ("exportTiles", "estimateExportTilesSize", "sampleCompressions"):
            assert f"/arcgis/rest/services/{service}/{operation}" in paths
            assert f"/arcgis/rest/services/{service}/{operation}/jobs/{{job}}/cancel" in paths
    assert "/arcgis/rest/services/ExportTiles/GPServer/ExportTiles/submitJob" in paths


def test_schemathesis_finds_no_failure(described: DescribedService, clients: Path, tmp_path: Path) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    options = {
        "phases": "fuzzing",
        "checks": checks,
        "max-examples": 2,
        "seed": 1,
        "generation-database": "none",
        "request-timeout": TIMEOUT,
    }
    address = f"http://{described.service.address}{DESCRIPTION}"
    completed = subprocess.run(
        [clients / "bin" / "st", "run", address, *(f"--{name}={value}" for name, value in options.items())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout
    found = re.search(r"(\d+) generated, (\d+) passed", completed.stdout)
    assert found, completed.stdout
    assert int(found[1]) == int(found[2]) >= len(described.operations)
    assert "Traceback" not in described.service.log()
