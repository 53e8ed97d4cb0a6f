"""Export with the layers of the ArcGIS API for Python. Runs as a program in the environment of the clients.

usage: arcgis_layers.py URL < calls.json > results.json

URL is the URL of the list of services. A call is [class of the layer, path of the service, method, arguments]. The
results are a list: for each call what the method returned, or its error; files are given as names and SHA-256.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from arcgis.gis._impl._con import Connection
from arcgis.layers import MapImageLayer
from arcgis.raster import ImageryLayer

REAL_SLEEP = time.sleep


def sleep_less(seconds: float) -> None:
    """Sleep at most 50 ms, so that clients poll more often."""
    REAL_SLEEP(min(seconds, 0.05))


def hash_files(result: object) -> object:
    """Replace the paths of files by names and SHA-256: the next call may overwrite a file."""
    if isinstance(result, list) and result and all(Path(path).is_file() for path in result):
        return {Path(path).name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in result}
    return result


def main() -> None:
    time.sleep = sleep_less
    url = sys.argv[1]
    connection = Connection(baseurl=url.removesuffix("/rest/services"), all_ssl=False)
    results = []
    for layer, service, method, arguments in json.load(sys.stdin):
        if layer == "ImageryLayer":
            owner = ImageryLayer(f"{url}/{service}", gis=connection).tiles
        else:
            owner = MapImageLayer(f"{url}/{service}", gis=connection)
        try:
            results.append(hash_files(getattr(owner, method)(**arguments)))
        except RuntimeError as error:  # raised by some methods for a failed job
            results.append({"error": str(error)})
    json.dump(results, sys.stdout)


main()
