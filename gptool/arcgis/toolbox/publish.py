"""Publish the tools of ExportTiles.pyt, the toolbox beside this script, as a geoprocessing service.

Run it with the Python of ArcGIS Pro. If the server is federated with a portal, sign in to the portal in ArcGIS Pro
first and stay signed in. For a stand-alone server, pass a server connection file that was created in ArcGIS Pro for a
user who may publish.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import arcpy

SERVER, FOLDER, CACHE = "@server@", "@folder@", "@cache@"
SERVICE = "ExportTiles"
TOOLBOX = Path(__file__).resolve().with_name("ExportTiles.pyt")

MAX_SECONDS = 24 * 60 * 60
"""How long a job may run, and wait for another to end: large caches take far longer than ArcGIS Server's defaults."""


def run_tools() -> list[Any]:
    """Run each tool and return the results, from which the draft is made.

    Only the cache is given, since the values of these runs become the defaults of the service. Nothing is exported,
    since that would be the whole cache.
    """
    os.environ["EXPORT_TILES_PUBLISHING"] = "1"
    toolbox = arcpy.ImportToolbox(str(TOOLBOX))
    return [toolbox.ExportTiles(CACHE), toolbox.EstimateExportTilesSize(CACHE)]


def make_draft(results: list[Any], path: str, connection: str | None) -> dict[str, Any]:
    """Write the draft of the service; return the messages, warnings and errors of the analyzer."""
    if connection:
        target = {"server_type": "FROM_CONNECTION_FILE", "connection_file_path": connection}
    else:
        target = {"server_type": "MY_HOSTED_SERVICES"}
    analysis: dict[str, Any] = arcpy.CreateGPSDDraft(
        results,
        path,
        SERVICE,
        **target,
        copy_data_to_server=True,  # the settings file; caches are not copied, since no string of the toolbox names them
        folder_name=FOLDER,
        summary="Exports tiles from tile caches, by levels and area, to tile packages and cache raster datasets.",
        tags="exportTiles, tile package, tile cache",
        executionType="Asynchronous",
        resultMapServer=False,
        showMessages="Info",
        maxUsageTime=MAX_SECONDS,
        maxWaitTime=MAX_SECONDS,
    )
    return analysis


def publish(connection: str | None) -> None:
    """Draft, stage and upload the service; exit with status 1 if the analyzer finds errors."""
    results = run_tools()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        draft, definition = (str(Path(folder, SERVICE + suffix)) for suffix in (".sddraft", ".sd"))
        analysis = make_draft(results, draft, connection)
        for kind in ("messages", "warnings", "errors"):
            for text, code in analysis[kind]:
                print(f"{kind}: {code}: {text}")
        if analysis["errors"]:
            sys.exit("Not published: the analyzer found errors.")
        arcpy.server.StageService(draft, definition)
        arcpy.server.UploadServiceDefinition(definition, connection or SERVER)
    print(f"Published: {SERVER}/rest/services/{FOLDER}/{SERVICE}/GPServer")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("connection", nargs="?", help="a server connection file, x.ags")
    publish(parser.parse_args().connection)
