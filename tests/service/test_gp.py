"""Tasks of the geoprocessing service: descriptions, which agree with the toolbox, and jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.arcgis.registration import TEMPLATE_FOLDER, TOOLBOX
from helpers.arcpy_stand_in import ArcPy, load_toolbox
from helpers.rest_client import RestClient
from helpers.tile_readers import read_tiles

GP = "services/ExportTiles/GPServer"
TASKS = "ExportTiles", "EstimateExportTilesSize"


def run_task(client: RestClient, task: str, **parameters: object) -> tuple[str, dict[str, Any]]:
    reply = client.post(f"{GP}/{task}/submitJob", f="json", **parameters).json()
    job = f"{GP}/{task}/jobs/{reply['jobId']}"
    return job, client.wait(job)


def test_service_lists_its_tasks(client: RestClient) -> None:
    value = client.json(GP)
    assert value["tasks"] == list(TASKS)
    assert value["executionType"] == "esriExecutionTypeAsynchronous"


@pytest.mark.parametrize("task", TASKS)
def test_tasks_have_the_descriptions_of_the_toolbox(client: RestClient, arcpy: ArcPy, task: str) -> None:
    value = client.json(f"{GP}/{task}")
    [tool] = (cls() for cls in load_toolbox(TEMPLATE_FOLDER / TOOLBOX).tools if cls.__name__ == task)
    assert (value["displayName"], value["description"]) == (tool.label, tool.description)
    # The outputs differ: this service returns URLs, ArcGIS Server makes them of files.
    described = [(p.name, p.displayName, p.parameterType) for p in tool.getParameterInfo() if p.direction == "Input"]
    assert [
        (item["name"], item["displayName"], item["parameterType"].removeprefix("esriGPParameterType"))
        for item in value["parameters"]
        if item["direction"] == "esriGPParameterDirectionInput"
    ] == described


def test_parameters_have_types_choices_and_defaults(client: RestClient) -> None:
    parameters = {item["name"]: item for item in client.json(f"{GP}/ExportTiles")["parameters"]}
    assert parameters["cache"]["choiceList"] == ["Maps/Second", "World"]
    assert parameters["compressionQuality"]["filter"] == {"type": "range", "minimum": 0, "maximum": 100}
    assert parameters["exportBy"]["defaultValue"] == "LevelID"
    assert parameters["areaOfInterest"]["defaultValue"]["geometryType"] == "esriGeometryPolygon"
    assert parameters["package"]["dataType"] == "GPDataFile"


def test_export(client: RestClient, cache: Path, tmp_path: Path) -> None:
    job, value = run_task(client, "ExportTiles", cache="World", levels="0-2", tile_package="true")
    assert value["jobStatus"] == "esriJobSucceeded", value
    assert set(value["results"]) == {"out_service_url", "package", "report"}
    package = tmp_path / "gp.tpkx"
    package.write_bytes(client.get(client.result(job, "package")["url"]).body)
    export_tiles(cache, tmp_path / "World.tpkx", levels="0-2")
    assert read_tiles(package) == read_tiles(tmp_path / "World.tpkx")
    assert client.get(client.result(job, "report")["url"]).json()["written"]["tiles"] == 21
    assert client.json(f"{job}/inputs/cache") == {"paramName": "cache", "dataType": "GPString", "value": "World"}


def test_dataset_has_no_output_file(client: RestClient) -> None:
    job, value = run_task(client, "ExportTiles", cache="Maps/Second", levels="0")
    assert set(value["results"]) == {"out_service_url", "report"}
    [folder] = client.get(client.result(job)).json()["folders"]
    assert folder.endswith("/Second")


def test_estimate(client: RestClient) -> None:
    job, value = run_task(client, "EstimateExportTilesSize", cache="World", levels="0-2")
    assert set(value["results"]) == {"out_service_url", "totalSize", "totalTilesToExport"}
    assert client.result(job, "totalTilesToExport") == 21
    assert json.loads(client.result(job))["totalSize"] == client.result(job, "totalSize")
    assert client.get(f"{GP}/ExportTiles/jobs/{value['jobId']}", f="json").error()["code"] == 404


@pytest.mark.parametrize("name", ["", "Nowhere", "second", "../World"])
def test_unknown_cache_is_rejected(client: RestClient, name: str) -> None:
    error = client.post(f"{GP}/ExportTiles/submitJob", f="json", cache=name).error()
    assert error["details"] == [f"cache: not available for export; found {name!r}, expected one of Maps/Second, World"]
