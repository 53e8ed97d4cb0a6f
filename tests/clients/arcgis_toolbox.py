"""Run both tasks with the ArcGIS API for Python. Runs as a program in the environment of the clients.

usage: arcgis_toolbox.py URL < calls.json > results.json

URL is the URL of the list of services. Calls are {"export": arguments, "estimate": arguments, "cancel": arguments of an
export}. The results have the same keys: what the tasks returned, with files as URLs, and how the cancelled job ended.
"""

import json
import sys
import time

from arcgis.geoprocessing import DataFile, GPJob, import_toolbox
from arcgis.gis._impl._con import Connection

REAL_SLEEP = time.sleep


def plain(value: object) -> object:
    """Return a result as a value that JSON supports."""
    return value.url if isinstance(value, DataFile) else value


def wait_while(status: str, job: GPJob) -> None:
    """Wait until a job has another status."""
    while job.status == status:
        time.sleep(1)


def main() -> None:
    time.sleep = lambda seconds: REAL_SLEEP(min(seconds, 0.05))  # poll more often
    url = sys.argv[1]
    calls = json.load(sys.stdin)
    connection = Connection(baseurl=url.removesuffix("/rest/services"), all_ssl=False)
    toolbox = import_toolbox(f"{url}/ExportTiles/GPServer", gis=connection)
    exported = toolbox.export_tiles(**calls["export"])
    estimated = toolbox.estimate_export_tiles_size(**calls["estimate"])
    job = toolbox.export_tiles(**calls["cancel"], future=True)
    wait_while("esriJobSubmitted", job)
    cancelled = job.cancel()
    wait_while("esriJobCancelling", job)
    results = {
        "export": {name: plain(value) for name, value in exported._asdict().items()},
        "estimate": {name: plain(value) for name, value in estimated._asdict().items()},
        "cancel": {"cancelled": cancelled, "status": job.status, "messages": job.messages},
    }
    json.dump(results, sys.stdout)


main()
