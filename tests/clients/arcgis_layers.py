"""Exports with the layers of the ArcGIS API for Python. Runs in the clients' environment, as a program.

usage: arcgis_layers.py URL < calls.json > answers.json

URL is that of the services. A call is [class of the layer, path of the service, method, arguments]. The answer is a
list: for each call what the method returned, or said of an error; files as their names and SHA-256.
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
    """The clients poll as they do, but each 50 ms."""
    REAL_SLEEP(min(seconds, 0.05))


def read_files(answer: object) -> object:
    """The content in place of paths: the next call may overwrite the file."""
    if isinstance(answer, list) and answer and all(Path(path).is_file() for path in answer):
        return {Path(path).name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in answer}
    return answer


def main() -> None:
    time.sleep = sleep_less
    url = sys.argv[1]
    connection = Connection(baseurl=url.removesuffix("/rest/services"), all_ssl=False)
    answers = []
    for layer, service, method, arguments in json.load(sys.stdin):
        if layer == "ImageryLayer":
            asked = ImageryLayer(f"{url}/{service}", gis=connection).tiles
        else:
            asked = MapImageLayer(f"{url}/{service}", gis=connection)
        try:
            answers.append(read_files(getattr(asked, method)(**arguments)))
        except RuntimeError as error:  # as which some methods tell of a failed job
            answers.append({"error": str(error)})
    json.dump(answers, sys.stdout)


main()
