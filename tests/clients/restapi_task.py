"""Runs the task ExportTiles with bmi-arcgis-restapi. Runs in the clients' environment, as a program.

usage: restapi_task.py URL < arguments.json > results.json

URL is that of the services. The export must be held until the client has looked: it stumbles over jobs that have ended
by then.
"""

import contextlib
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")  # it says that there is no arcpy

import restapi  # noqa: E402

REAL_SLEEP = time.sleep


def main() -> None:
    time.sleep = lambda seconds: REAL_SLEEP(min(seconds, 0.05))  # polls as it does, but more often
    task = restapi.GPTask(f"{sys.argv[1]}/ExportTiles/GPServer/ExportTiles")
    with contextlib.redirect_stdout(sys.stderr):
        response = task.run(**json.load(sys.stdin))
    json.dump({name: response.getValue(name) for name in response.results}, sys.stdout)


main()
