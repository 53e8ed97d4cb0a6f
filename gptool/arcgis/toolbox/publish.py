"""Not tried with ArcGIS: publish the tools of ExportTiles.pyt, the toolbox beside this script, as a service.

The calls follow Esri's documentation of arcpy.sharing, and were tried with a stand-in for arcpy. Run the script with
the Python of ArcGIS Pro. If the server is federated with a portal, sign in to the portal in ArcGIS Pro first and stay
signed in: the service is a web tool then. For a stand-alone server, pass a server connection file that was created in
ArcGIS Pro for a user who may publish.
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

MAX_INSTANCES = 2
"""Jobs that run at once on each machine; gptool shares the processors between them."""


def run_tools() -> list[Any]:
    """Run each tool and return the results, from which the draft is made.

    Only the cache is given, since the values of these runs become the defaults of the service. Nothing is exported,
    since that would be the whole cache.
    """
    os.environ["EXPORT_TILES_PUBLISHING"] = "1"
    toolbox = arcpy.ImportToolbox(str(TOOLBOX))
    return [toolbox.ExportTiles(CACHE), toolbox.EstimateExportTilesSize(CACHE)]


def make_draft(results: list[Any], arguments: argparse.Namespace) -> Any:
    """Return the draft of the service (Esri, "GeoprocessingSharingDraft")."""
    if arguments.connection:
        draft = arcpy.sharing.CreateSharingDraft("STANDALONE_SERVER", "GP_SERVICE", SERVICE, results)
    else:
        draft = arcpy.sharing.CreateSharingDraft("FEDERATED_SERVER", "WEB_TOOL", SERVICE, results)
        draft.portalFolder = arguments.portal_folder
    draft.targetServer = arguments.connection or arguments.server
    draft.serverFolder = FOLDER
    draft.overwriteExistingService = arguments.overwrite
    draft.copyDataToServer = True  # the settings; caches are not copied, since no string of the toolbox names them
    draft.summary = "Exports tiles from tile caches, by levels and area, to tile packages and cache raster datasets."
    draft.tags = "exportTiles, tile package, tile cache"
    draft.executionType = "Asynchronous"
    draft.messageLevel = "Info"
    draft.resultMapService = False
    draft.maxInstances = MAX_INSTANCES
    draft.maxUsageTime = draft.maxWaitTime = MAX_SECONDS
    return draft


def sharing_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return who may use a web tool (Esri, "Upload Service Definition").

    By default, the draft's sharing properties are used: the owner. Stand-alone servers ignore these options.
    """
    if not (arguments.share or arguments.group):
        return {}
    return {
        "in_override": "OVERRIDE_DEFINITION",
        "in_my_contents": "SHARE_ONLINE",
        "in_public": "PUBLIC" if arguments.share == "everyone" else "PRIVATE",
        "in_organization": "SHARE_ORGANIZATION" if arguments.share else "NO_SHARE_ORGANIZATION",
        "in_groups": arguments.group or [],
    }


def check(draft: Any) -> None:
    """Show what ArcGIS finds in the draft; exit with status 1 if there are errors."""
    analysis = draft.analyzeSDDraft()
    for kind in ("messages", "warnings", "errors"):
        for code, text, *_ in analysis[kind]:
            print(f"{kind}: {code}: {text}")
    if analysis["errors"]:
        sys.exit("Not published: the analyzer found errors.")


def publish(arguments: argparse.Namespace) -> None:
    """Draft, stage and upload the service."""
    draft = make_draft(run_tools(), arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        draft_path, definition = (str(Path(folder, SERVICE + suffix)) for suffix in (".sddraft", ".sd"))
        draft.exportToSDDraft(draft_path)
        check(draft)
        arcpy.server.StageService(draft_path, definition)
        arcpy.server.UploadServiceDefinition(definition, draft.targetServer, **sharing_options(arguments))
    print(f"Published: {arguments.server}/rest/services/{FOLDER}/{SERVICE}/GPServer")


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("connection", nargs="?", help="a connection file, x.ags, of a stand-alone server")
    parser.add_argument("--server", default=SERVER, help="the URL of the federated server, by default %(default)s")
    parser.add_argument("--overwrite", action="store_true", help="replace the service that was published before")
    parser.add_argument("--portal-folder", default="", help="the folder of the portal for the web tool")
    parser.add_argument("--share", choices=["organization", "everyone"], help="who may use the web tool")
    parser.add_argument("--group", action="append", help="a group of the portal that may use it; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    publish(read_arguments())
