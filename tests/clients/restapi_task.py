"""Run the task ExportTiles with bmi-arcgis-restapi. Runs as a program in the environment of the clients.

usage: restapi_task.py URL < arguments.json > results.json

URL is the URL of the list of services. The export must be held until the client has polled once: the client fails if
the job has ended by then.
"""

import contextlib
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")  # it warns that arcpy is missing

import restapi  # noqa: E402

REAL_SLEEP = time.sleep


def main() -> None:
    time.sleep = lambda seconds: REAL_SLEEP(min(seconds, 0.05))  # poll more often
    task = restapi.GPTask(f"{sys.argv[1]}/ExportTiles/GPServer/ExportTiles")
    with contextlib.redirect_stdout(sys.stderr):
        response = task.run(**json.load(sys.stdin))
    json.dump({name: response.getValue(name) for name in response.results}, sys.stdout)


main()
