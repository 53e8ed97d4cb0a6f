"""ArcGIS's clients, and replays of their recorded requests: they get what the Python function exports.

The clients run if tests/clients/make_environment has created their environment; the replays always run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest

from gptool.tool import estimate_export_tiles_size_job, export_tiles_job
from helpers.gate import Gate
from helpers.recordings import CANCEL, FOLDER, WIDE, ExportAtGate, RecordingProxy, check_recording
from helpers.replay import Replay
from helpers.service_process import ServiceProcess

DRIVERS = FOLDER.parent
TIMEOUT = 180
POLL = "/jobs/"
RECORDINGS = sorted(path.stem for path in FOLDER.glob("*.json"))

ENVELOPE = {"xmin": 0, "ymin": 0, "xmax": 1e7, "ymax": 1e7, "spatialReference": {"wkid": 102100}}
POLYGON = {"rings": [[[-170, 0], [-170, 70], [-60, 0], [-170, 0]]], "spatialReference": {"wkid": 4326}}
FEATURES = {"features": [{"geometry": POLYGON}]}
CORNER = "-20037508,10018755,-10018755,20037508"
"""An extent that contains a sixteenth of the cache Wide."""

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run_client(
    clients: Path, service: ServiceProcess, service_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Return a function that runs a client, compares its requests with the recording, and returns its output.

    The client's export of the cache Wide is held until the response to a request whose path contains `until`.
    """

    def run(recording: str, program: str, calls: object, until: str = CANCEL) -> Any:
        temporary = tmp_path_factory.mktemp("client")
        command = [clients / "bin" / "python", "-I"] if program.endswith(".py") else [find_node(clients)]
        held = ExportAtGate(service_gate, WIDE, until)
        with held, RecordingProxy(service.address, held) as proxy:
            completed = subprocess.run(
                [*command, DRIVERS / program, proxy.url],
                input=json.dumps(calls),
                env={**os.environ, "TMPDIR": str(temporary)},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        assert completed.returncode == 0, completed.stderr
        check_recording(recording, proxy.requests)
        return json.loads(completed.stdout.replace(proxy.address, service.address))

    return run


def find_node(clients: Path) -> str:
    node = shutil.which("node")
    if not node or not (clients / "node_modules").is_dir():
        pytest.skip("@esri/arcgis-rest-request is not installed in the environment of the clients (needs node and npm)")
    return node


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch(url: str) -> bytes:
    with urlopen(url, timeout=TIMEOUT) as response:
        content: bytes = response.read()
    return content


def fetch_tree(url: str) -> dict[str, str]:
    """Return the SHA-256 of all files below a listed folder by path."""
    listing = json.loads(fetch(url))
    files = {file["name"]: sha256(fetch(file["url"])) for file in listing["files"]}
    for folder in listing["folders"]:
        name = folder.rsplit("/", 1)[1]
        files |= {f"{name}/{path}": digest for path, digest in fetch_tree(folder).items()}
    return files


def export_directly(cache: Path, folder: Path, parameters: dict[str, Any], service: str = "World") -> dict[str, str]:
    """Export without the service, and return the SHA-256 of the files by path."""
    job = export_tiles_job(
        parameters, cache=cache, output_directory=folder, max_export_tiles_count=None, service=service
    )
    result = Path(job.result("out_service_url")["value"])
    files = {path.relative_to(result).as_posix(): path for path in result.rglob("*") if path.is_file()}
    return without_report({name: sha256(path.read_bytes()) for name, path in files.items()})


def without_report(files: dict[str, str]) -> dict[str, str]:
    """Return the files without the report, which contains the id and the times of the job."""
    return {name: digest for name, digest in files.items() if name != "report.json"}


class Call(NamedTuple):
    """A call of a method of a layer, and the equivalent parameters of the operation."""

    layer: str
    service: str
    method: str
    arguments: dict[str, Any]
    parameters: dict[str, Any]


def imagery(method: str, parameters: dict[str, Any], service: str = "World", **arguments: Any) -> Call:
    optimized = {"optimizeTilesForSize": True, "compressionQuality": 75}
    return Call("ImageryLayer", f"{service}/ImageServer", method, arguments, optimized | parameters)


def map_image(method: str, parameters: dict[str, Any], service: str = "World/MapServer", **arguments: Any) -> Call:
    optimized = {"optimizeTilesForSize": True, "compressionQuality": 75} if method == "export_tiles" else {}
    return Call("MapImageLayer", service, method, arguments, optimized | parameters)


PACKAGE: dict[str, Any] = {"levels": "0-2", "tilePackage": True}
DATASET: dict[str, Any] = {"levels": "0-2", "tilePackage": False}
NOT_OPTIMIZED = {"optimizeTilesForSize": False}
V1 = {"storageFormatType": "esriMapCacheStorageModeCompact"}

PACKAGES = {
    "imagery": imagery("export", PACKAGE, levels="0-2", tile_package=True),
    "imagery in a folder": imagery("export", PACKAGE, "Maps/World", levels="0-2", tile_package=True),
    "imagery, extent": imagery(
        "export",
        PACKAGE | NOT_OPTIMIZED | {"exportExtent": ENVELOPE},
        levels="0-2",
        tile_package=True,
        extent=ENVELOPE,
        optimize_for_size=False,
    ),
    "imagery, area": imagery(
        "export", PACKAGE | {"areaOfInterest": POLYGON}, levels="0-2", tile_package=True, aoi=POLYGON
    ),
    "imagery, scales": imagery(
        "export",
        PACKAGE,
        levels="591657527.591555-147914381.897889",
        export_by="Scale",
        tile_package=True,
    ),
    "map": map_image("export_tiles", PACKAGE, levels="0-2"),
    "map, tpkx": map_image("export_tiles", PACKAGE, levels="0-2", storage_format="tpkx"),
    "map, tpk": map_image("export_tiles", PACKAGE | V1, levels="0-2", storage_format="tpk"),
    "map, area": map_image(
        "export_tiles",
        PACKAGE | {"areaOfInterest": FEATURES},
        levels="0-2",
        area_of_interest=json.dumps(FEATURES),
    ),
    "map of an image service": map_image("export_tiles", PACKAGE, "World/ImageServer", levels="0-2"),
}
DATASETS = {
    "map": map_image("export_tiles", DATASET, levels="0-2", tile_package=False),
    "map, V1": map_image("export_tiles", DATASET | V1, levels="0-2", tile_package=False, storage_format="tpk"),
    "map of an image service": map_image(
        "export_tiles", DATASET, "World/ImageServer", levels="0-2", tile_package=False, export_extent="DEFAULT"
    ),
}
ESTIMATES = {
    "imagery": imagery("estimate_size", PACKAGE, levels="0-2", tile_package=True),
    "imagery, dataset of an extent": imagery(
        "estimate_size", DATASET | {"exportExtent": ENVELOPE}, levels="0-2", extent=ENVELOPE
    ),
    "imagery, area": imagery(
        "estimate_size", PACKAGE | {"areaOfInterest": POLYGON}, levels="0-2", tile_package=True, aoi=POLYGON
    ),
    "map": map_image(
        "estimate_export_tiles_size",
        PACKAGE,
        levels="0-2",
        export_by="levelId",
        tile_package=True,
        asynchronous=False,
    ),
    "map of an image service": map_image(
        "estimate_export_tiles_size",
        DATASET,
        "World/ImageServer",
        levels="0-2",
        export_by="LevelID",
        asynchronous=False,
    ),
}
OTHER_CALLS = {
    "imagery, dataset": imagery("export", DATASET, levels="0-2"),
    "imagery, too many": imagery("export", PACKAGE, "Few", levels="0-2", tile_package=True),
    "map, too many": map_image("export_tiles", PACKAGE, "Few/MapServer", levels="0-2"),
    "map, extent as dict": map_image("export_tiles", PACKAGE, levels="0-2", export_extent=ENVELOPE),
}
KINDS = {"package": PACKAGES, "dataset": DATASETS, "estimate": ESTIMATES, "other": OTHER_CALLS}


@pytest.fixture(scope="module")
def layers(run_client: Run) -> dict[tuple[str, str], Any]:
    """Return what the methods of the layers returned, by kind and name of the call."""
    calls = {(kind, name): call for kind, named in KINDS.items() for name, call in named.items()}
    outputs = run_client("arcgis-layers", "arcgis_layers.py", [call[:4] for call in calls.values()])
    return dict(zip(calls, outputs, strict=True))


@pytest.mark.parametrize("name", PACKAGES)
def test_arcgis_layers_get_the_package(layers: dict[Any, Any], name: str, cache: Path, tmp_path: Path) -> None:
    assert without_report(layers["package", name]) == export_directly(cache, tmp_path, PACKAGES[name].parameters)


@pytest.mark.parametrize("name", DATASETS)
def test_arcgis_layers_get_the_folder_of_the_dataset(
    layers: dict[Any, Any], name: str, cache: Path, tmp_path: Path
) -> None:
    [folder] = layers["dataset", name]
    expected = export_directly(cache, tmp_path, DATASETS[name].parameters)
    assert {f"World/{path}": digest for path, digest in fetch_tree(folder).items()} == expected


@pytest.mark.parametrize("name", ESTIMATES)
def test_arcgis_layers_get_the_estimate(layers: dict[Any, Any], name: str, cache: Path) -> None:
    expected = estimate_export_tiles_size_job(ESTIMATES[name].parameters, cache=cache)
    value = expected.result("out_service_url")["value"]
    assert layers["estimate", name] == {**value, "totalTileCount": value["totalTilesToExport"]}


def test_arcgis_imagery_layers_get_no_file_of_a_dataset(layers: dict[Any, Any]) -> None:
    assert layers["other", "imagery, dataset"] == []


def test_arcgis_layers_report_why_an_export_failed(layers: dict[Any, Any]) -> None:
    job = layers["other", "imagery, too many"]
    too_many = "ERROR 001564: Requested tile count(21) exceeds the maximum allowed number of tiles(9) to be exported"
    assert job["jobStatus"] == "esriJobFailed"
    errors = [message["description"] for message in job["messages"] if message["type"] == "esriJobMessageTypeError"]
    assert errors[0] == f"{too_many} for service Few:ImageServer."
    assert f"{too_many} for service Few:MapServer." in layers["other", "map, too many"]["error"]
    assert "exportExtent" in layers["other", "map, extent as dict"]["error"]


def check_task_results(results: dict[str, Any], expected: dict[str, str]) -> None:
    """Check the results of a task that a client received: URLs of the folder, the package and the report."""
    folder = results["out_service_url"]
    [name] = expected
    assert results["package"] == f"{folder}/{name}"
    assert sha256(fetch(results["package"])) == expected[name]
    assert json.loads(fetch(results["report"]))["result"]["sha256"] == expected[name]
    assert without_report(fetch_tree(folder)) == expected


def test_arcgis_toolbox(run_client: Run, cache: Path, tmp_path: Path) -> None:
    parameters = {"cache": "World", "levels": "0-2", "tile_package": True}
    wide = {"cache": "Wide", "optimize_tiles_for_size": True, "compression_quality": 50}
    output = run_client(
        "arcgis-toolbox", "arcgis_toolbox.py", {"export": parameters, "estimate": parameters, "cancel": wide}
    )
    check_task_results(output["export"], export_directly(cache, tmp_path, PACKAGE))
    value = estimate_export_tiles_size_job(PACKAGE, cache=cache).result("out_service_url")["value"]
    assert json.loads(output["estimate"]["out_service_url"]) == value
    assert output["estimate"]["total_size"] == value["totalSize"]
    assert output["estimate"]["total_tiles_to_export"] == value["totalTilesToExport"]
    assert (output["cancel"]["cancelled"], output["cancel"]["status"]) == (True, "esriJobCancelled")
    messages = [message["description"] for message in output["cancel"]["messages"]]
    assert messages.count("Cancelled (ExportTiles).") == 1


def test_rest_js(run_client: Run, cache: Path, tmp_path: Path) -> None:
    parameters = {"cache": "World", "levels": "0-2", "tilePackage": True}
    wide = {"cache": "Wide", "optimizeTilesForSize": True, "compressionQuality": 50}
    area = {"levels": "0-2", "exportBy": "levelId", "tilePackage": True, "areaOfInterest": FEATURES}
    output = run_client("rest-js", "rest_js.mjs", {"export": parameters, "cancel": wide, "service": area})
    values = {name: result["value"] for name, result in output["export"].items()}
    urls = {name: value["url"] if isinstance(value, dict) else value for name, value in values.items()}
    check_task_results(urls, export_directly(cache, tmp_path, PACKAGE))
    assert output["cancel"]["name"] == "ArcGISJobError"
    assert output["cancel"]["status"] == "Cancelled"
    expected = export_directly(cache, tmp_path, area)
    assert {output["service"]["listing"]["files"][0]["name"]: output["service"]["digest"]} == expected


def test_restapi_task(run_client: Run, served_caches: dict[str, Path], tmp_path: Path) -> None:
    parameters = {"exportExtent": CORNER, "tilePackage": True, "optimizeTilesForSize": True, "compressionQuality": 50}
    output = run_client("restapi-task", "restapi_task.py", {"cache": "Wide", **parameters}, until=POLL)
    urls = {name: value["url"] if isinstance(value, dict) else value for name, value in output.items()}
    check_task_results(urls, export_directly(served_caches["Wide"], tmp_path, parameters, "Wide"))


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_requests_get_the_responses_that_clients_need(
    service: ServiceProcess, service_gate: Gate, served_caches: dict[str, Path], tmp_path: Path, name: str
) -> None:
    replay = Replay(f"http://{service.address}", served_caches, tmp_path)
    replay.send_recording(name, service_gate)
    assert replay.jobs
    assert replay.files or replay.estimates
