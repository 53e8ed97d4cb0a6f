"""Runs both tasks with the ArcGIS API for Python. Runs in the clients' environment, as a program.

usage: arcgis_toolbox.py URL < calls.json > answer.json

URL is that of the services. Calls are {"export": arguments, "estimate": arguments, "cancel": arguments of an export};
so is the answer: what the tasks returned, files by their URLs, and how the cancelled job ended.
"""

import json
import sys
import time

from arcgis.geoprocessing import DataFile, GPJob, import_toolbox
from arcgis.gis._impl._con import Connection

REAL_SLEEP = time.sleep


def plain(value: object) -> object:
    """A result as JSON can state it."""
    return value.url if isinstance(value, DataFile) else value


def wait_while(status: str, job: GPJob) -> None:
    """Wait until a job is something else."""
    while job.status == status:
        time.sleep(1)


def main() -> None:
    time.sleep = lambda seconds: REAL_SLEEP(min(seconds, 0.05))  # polls as it does, but more often
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
    answer = {
        "export": {name: plain(value) for name, value in exported._asdict().items()},
        "estimate": {name: plain(value) for name, value in estimated._asdict().items()},
        "cancel": {"cancelled": cancelled, "status": job.status, "messages": job.messages},
    }
    json.dump(answer, sys.stdout)


main()
