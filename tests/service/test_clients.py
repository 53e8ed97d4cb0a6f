"""The sequences of ArcGIS's clients against a service of its own: what they asked for is what they get.

The clients themselves run where tests/clients/make_environment has made them an environment. What they send was
recorded, and is sent again everywhere.
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
from helpers.recordings import FOLDER, ExportAtGate, RecordingProxy, check_recording, read_recording
from helpers.replay import Replay
from helpers.service_process import ServiceProcess

DRIVERS = FOLDER.parent
TIMEOUT = 180
WIDE, CANCEL, POLL = "cache=Wide", "/cancel", "/jobs/"
RECORDINGS = sorted(path.stem for path in FOLDER.glob("*.json"))

ENVELOPE = {"xmin": 0, "ymin": 0, "xmax": 1e7, "ymax": 1e7, "spatialReference": {"wkid": 102100}}
POLYGON = {"rings": [[[-170, 0], [-170, 70], [-60, 0], [-170, 0]]], "spatialReference": {"wkid": 4326}}
FEATURES = {"features": [{"geometry": POLYGON}]}
CORNER = "-20037508,10018755,-10018755,20037508"
"""A 16th of Wide."""

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run_client(
    clients: Path, service: ServiceProcess, gate_of_service: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Runs a client through the recording proxy, compares what it sends with its recording; returns its answer.

    Its export of Wide is held until the service has answered a request whose path has `until` in it.
    """

    def run(recording: str, program: str, calls: object, until: str = CANCEL) -> Any:
        temporary = tmp_path_factory.mktemp("client")
        command = [clients / "bin" / "python", "-I"] if program.endswith(".py") else [find_node(clients)]
        held = ExportAtGate(gate_of_service, WIDE, until)
        with held, RecordingProxy(service.address, held) as proxy:
            done = subprocess.run(
                [*command, DRIVERS / program, proxy.url],
                input=json.dumps(calls),
                env={**os.environ, "TMPDIR": str(temporary)},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        check_recording(recording, proxy.requests)
        return json.loads(done.stdout.replace(proxy.address, service.address))

    return run


def find_node(clients: Path) -> str:
    node = shutil.which("node")
    if not node or not (clients / "node_modules").is_dir():
        pytest.skip("@esri/arcgis-rest-request is not in the clients' environment: it needs node and npm")
    return node


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch(url: str) -> bytes:
    with urlopen(url, timeout=TIMEOUT) as answer:
        content: bytes = answer.read()
    return content


def fetch_tree(url: str) -> dict[str, str]:
    """All files below a listed folder, by their paths."""
    listing = json.loads(fetch(url))
    files = {file["name"]: sha256(fetch(file["url"])) for file in listing["files"]}
    for folder in listing["folders"]:
        name = folder.rsplit("/", 1)[1]
        files |= {f"{name}/{path}": digest for path, digest in fetch_tree(folder).items()}
    return files


def own_export(cache: Path, folder: Path, asked: dict[str, Any], service: str = "World") -> dict[str, str]:
    """The files of an export of our own, by their paths."""
    job = export_tiles_job(asked, cache=cache, output_directory=folder, max_export_tiles_count=None, service=service)
    made = Path(job.result("out_service_url")["value"])
    files = {path.relative_to(made).as_posix(): path for path in made.rglob("*") if path.is_file()}
    return without_report({name: sha256(path.read_bytes()) for name, path in files.items()})


def without_report(files: dict[str, str]) -> dict[str, str]:
    """The files that are the same whenever they are made: the report names job and times."""
    return {name: digest for name, digest in files.items() if name != "report.json"}


class Call(NamedTuple):
    """A call of a layer's method, and the parameters of the operation that it means."""

    layer: str
    service: str
    method: str
    arguments: dict[str, Any]
    means: dict[str, Any]


def imagery(method: str, means: dict[str, Any], service: str = "World", **arguments: Any) -> Call:
    optimized = {"optimizeTilesForSize": True, "compressionQuality": 75}
    return Call("ImageryLayer", f"{service}/ImageServer", method, arguments, optimized | means)


def map_image(method: str, means: dict[str, Any], service: str = "World/MapServer", **arguments: Any) -> Call:
    optimized = {"optimizeTilesForSize": True, "compressionQuality": 75} if method == "export_tiles" else {}
    return Call("MapImageLayer", service, method, arguments, optimized | means)


PACKAGE: dict[str, Any] = {"levels": "0-2", "tilePackage": True}
DATASET: dict[str, Any] = {"levels": "0-2", "tilePackage": False}
AS_IT_IS = {"optimizeTilesForSize": False}
V1 = {"storageFormatType": "esriMapCacheStorageModeCompact"}

PACKAGES = {
    "imagery": imagery("export", PACKAGE, levels="0-2", tile_package=True),
    "imagery in a folder": imagery("export", PACKAGE, "Maps/World", levels="0-2", tile_package=True),
    "imagery, extent": imagery(
        "export",
        PACKAGE | AS_IT_IS | {"exportExtent": ENVELOPE},
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
OTHERS = {
    "imagery, dataset": imagery("export", DATASET, levels="0-2"),
    "imagery, too many": imagery("export", PACKAGE, "Few", levels="0-2", tile_package=True),
    "map, too many": map_image("export_tiles", PACKAGE, "Few/MapServer", levels="0-2"),
    "map, the client's dict": map_image("export_tiles", PACKAGE, levels="0-2", export_extent=ENVELOPE),
}
KINDS = {"package": PACKAGES, "dataset": DATASETS, "estimate": ESTIMATES, "other": OTHERS}


@pytest.fixture(scope="module")
def layers(run_client: Run) -> dict[tuple[str, str], Any]:
    """What the layers' methods returned."""
    calls = {(kind, name): call for kind, named in KINDS.items() for name, call in named.items()}
    answers = run_client("arcgis-layers", "arcgis_layers.py", [call[:4] for call in calls.values()])
    return dict(zip(calls, answers, strict=True))


@pytest.mark.parametrize("name", PACKAGES)
def test_arcgis_layers_get_the_package(layers: dict[Any, Any], name: str, cache: Path, tmp_path: Path) -> None:
    assert without_report(layers["package", name]) == own_export(cache, tmp_path, PACKAGES[name].means)


@pytest.mark.parametrize("name", DATASETS)
def test_arcgis_layers_are_told_the_folder_of_the_dataset(
    layers: dict[Any, Any], name: str, cache: Path, tmp_path: Path
) -> None:
    [folder] = layers["dataset", name]
    own = own_export(cache, tmp_path, DATASETS[name].means)
    assert {f"World/{path}": digest for path, digest in fetch_tree(folder).items()} == own


@pytest.mark.parametrize("name", ESTIMATES)
def test_arcgis_layers_get_the_estimate(layers: dict[Any, Any], name: str, cache: Path) -> None:
    own = estimate_export_tiles_size_job(ESTIMATES[name].means, cache=cache)
    assert layers["estimate", name] == own.result("out_service_url")["value"]


def test_arcgis_imagery_layers_find_no_file_in_a_dataset(layers: dict[Any, Any]) -> None:
    assert layers["other", "imagery, dataset"] == []


def test_arcgis_layers_say_why_an_export_failed(layers: dict[Any, Any]) -> None:
    job = layers["other", "imagery, too many"]
    too_many = "ERROR 001564: Requested tile count(21) exceeds the maximum allowed number of tiles(9) to be exported"
    assert job["jobStatus"] == "esriJobFailed"
    errors = [message["description"] for message in job["messages"] if message["type"] == "esriJobMessageTypeError"]
    assert errors[0] == f"{too_many} for service Few:ImageServer."
    assert f"{too_many} for service Few:MapServer." in layers["other", "map, too many"]["error"]
    assert "exportExtent" in layers["other", "map, the client's dict"]["error"]


def check_task_results(results: dict[str, Any], own: dict[str, str]) -> None:
    """What a task has in the end, in each client: the folder's URL, and files of it."""
    folder = results["out_service_url"]
    [name] = own
    assert results["package"] == f"{folder}/{name}"
    assert sha256(fetch(results["package"])) == own[name]
    assert json.loads(fetch(results["report"]))["result"]["sha256"] == own[name]
    assert without_report(fetch_tree(folder)) == own


def test_arcgis_toolbox(run_client: Run, cache: Path, tmp_path: Path) -> None:
    ask = {"cache": "World", "levels": "0-2", "tile_package": True}
    wide = {"cache": "Wide", "optimize_tiles_for_size": True, "compression_quality": 50}
    answer = run_client("arcgis-toolbox", "arcgis_toolbox.py", {"export": ask, "estimate": ask, "cancel": wide})
    check_task_results(answer["export"], own_export(cache, tmp_path, PACKAGE))
    value = estimate_export_tiles_size_job(PACKAGE, cache=cache).result("out_service_url")["value"]
    assert json.loads(answer["estimate"]["out_service_url"]) == value
    assert answer["estimate"]["total_size"] == value["totalSize"]
    assert answer["estimate"]["total_tiles_to_export"] == value["totalTilesToExport"]
    assert (answer["cancel"]["cancelled"], answer["cancel"]["status"]) == (True, "esriJobCancelled")
    said = [message["description"] for message in answer["cancel"]["messages"]]
    assert said.count("Cancelled (ExportTiles).") == 1


def test_rest_js(run_client: Run, cache: Path, tmp_path: Path) -> None:
    ask = {"cache": "World", "levels": "0-2", "tilePackage": True}
    wide = {"cache": "Wide", "optimizeTilesForSize": True, "compressionQuality": 50}
    area = {"levels": "0-2", "exportBy": "levelId", "tilePackage": True, "areaOfInterest": FEATURES}
    answer = run_client("rest-js", "rest_js.mjs", {"export": ask, "cancel": wide, "service": area})
    values = {name: result["value"] for name, result in answer["export"].items()}
    urls = {name: value["url"] if isinstance(value, dict) else value for name, value in values.items()}
    check_task_results(urls, own_export(cache, tmp_path, PACKAGE))
    assert answer["cancel"]["name"] == "ArcGISJobError"
    assert answer["cancel"]["status"] == "Cancelled"
    own = own_export(cache, tmp_path, area)
    assert {answer["service"]["listing"]["files"][0]["name"]: answer["service"]["digest"]} == own


def test_restapi_task(run_client: Run, caches_served: dict[str, Path], tmp_path: Path) -> None:
    ask = {"exportExtent": CORNER, "tilePackage": True, "optimizeTilesForSize": True, "compressionQuality": 50}
    answer = run_client("restapi-task", "restapi_task.py", {"cache": "Wide", **ask}, until=POLL)
    urls = {name: value["url"] if isinstance(value, dict) else value for name, value in answer.items()}
    check_task_results(urls, own_export(caches_served["Wide"], tmp_path, ask, "Wide"))


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_requests_get_what_clients_need(
    service: ServiceProcess, gate_of_service: Gate, caches_served: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """An export that its client cancels does not end before that."""
    requests = read_recording(name)
    is_cancelled = any(CANCEL in request["path"] for request in requests)
    replay = Replay(service.address, caches_served, tmp_path)
    with ExportAtGate(gate_of_service, WIDE, CANCEL) as held:
        for request in requests:
            if is_cancelled:
                held.before(request["path"], request["body"])
            replay.send(request)
            held.after(request["path"])
    assert replay.jobs
    assert replay.files or replay.estimates
