"""Checks of responses for what clients of ArcGIS's REST API need."""

from __future__ import annotations

from typing import Any

MESSAGE_TYPES = {f"esriJobMessageType{kind}" for kind in ("Informative", "Warning", "Error")}

SERVICE_KEYS = {
    *("currentVersion", "name", "serviceDescription", "extent", "initialExtent", "fullExtent", "minScale", "maxScale"),
    *("capabilities", "singleFusedMapCache", "tileInfo", "storageInfo", "exportTilesAllowed", "maxExportTilesCount"),
    "exportTileCacheCompactV2Allowed",
}
TILE_INFO_KEYS = {"rows", "cols", "dpi", "format", "compressionQuality", "origin", "spatialReference", "lods"}
GP_KEYS = {"currentVersion", "serviceDescription", "tasks", "executionType", "resultMapServerName", "maximumRecords"}
TASK_KEYS = {"name", "displayName", "description", "executionType", "parameters"}
PARAMETER_KEYS = {
    *("name", "dataType", "displayName", "description", "direction", "defaultValue", "parameterType", "category"),
}
ASYNCHRONOUS = "esriExecutionTypeAsynchronous"


def check_info(info: dict[str, Any]) -> None:
    """Check the server info of an open server: clients would try to log in at the URL of a token service."""
    assert info["authInfo"] == {"isTokenBasedSecurity": False}
    assert not {"owningSystemUrl", "tokenServicesUrl"} & info.keys()
    assert info["currentVersion"] >= 10.9


def check_catalog(catalog: dict[str, Any]) -> None:
    """Check the list of services: the ArcGIS API for Python recognises a server by `folders`."""
    assert {"currentVersion", "folders", "services"} <= catalog.keys()
    assert all(service.keys() >= {"name", "type"} for service in catalog["services"])


def check_service(service: dict[str, Any]) -> None:
    """Check the description of a cached service that allows exports, also to .tpkx."""
    assert service.keys() >= SERVICE_KEYS
    assert service["tileInfo"].keys() >= TILE_INFO_KEYS
    assert service["exportTilesAllowed"] is service["exportTileCacheCompactV2Allowed"] is True


def check_gp_service(service: dict[str, Any]) -> None:
    """Check the description of an asynchronous geoprocessing service."""
    assert service.keys() >= GP_KEYS
    assert service["executionType"] == ASYNCHRONOUS
    assert set(service["tasks"]) == {"ExportTiles", "EstimateExportTilesSize"}


def check_task(task: dict[str, Any]) -> None:
    """Check the description of a task, from which clients create a function."""
    assert task.keys() >= TASK_KEYS
    assert task["executionType"] == ASYNCHRONOUS
    assert all(parameter.keys() >= PARAMETER_KEYS for parameter in task["parameters"])


def check_job(job: dict[str, Any]) -> None:
    """Check a job of any status."""
    assert job.keys() - {"progress", "results", "inputs"} == {"jobId", "jobStatus", "messages"}
    for message in job["messages"]:
        assert message.keys() == {"type", "description"}
        assert message["type"] in MESSAGE_TYPES
    if job["jobStatus"] == "esriJobSucceeded":
        assert "out_service_url" in job["results"]
        for member in ("results", "inputs"):
            assert all(value == {"paramUrl": f"{member}/{name}"} for name, value in job[member].items())
    if job["jobStatus"] == "esriJobFailed":
        assert "esriJobMessageTypeError" in [message["type"] for message in job["messages"]]
    if "progress" in job:
        assert job["jobStatus"] == "esriJobExecuting"
        assert {"type", "message"} <= job["progress"].keys() <= {"type", "message", "percent"}


def check_status(response: dict[str, Any], *statuses: str) -> None:
    """Check the response to the submission or cancellation of a job."""
    assert response.keys() == {"jobId", "jobStatus"}, response
    assert response["jobStatus"] in statuses


def check_result(result: dict[str, Any], name: str) -> None:
    """Check a result or an input."""
    assert result.keys() == {"paramName", "dataType", "value"}
    assert result["paramName"] == name


def check_estimate(value: dict[str, Any]) -> None:
    """Check the value of an estimate's result: an object, although its data type is GPString."""
    assert value.keys() - {"totalTileCount"} == {"totalSize", "totalTilesToExport"}
    assert value.get("totalTileCount", value["totalTilesToExport"]) == value["totalTilesToExport"]
    assert all(type(number) is int for number in value.values())
