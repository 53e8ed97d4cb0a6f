"""Log in with the ArcGIS API for Python and estimate an export. Runs as a program in the environment of the clients.

usage: arcgis_login.py URL < login.json > estimate.json

URL is the URL of the list of services, login.json has `username` and `password`.
"""

import json
import sys

from arcgis.gis._impl._con import Connection
from arcgis.raster import ImageryLayer

url = sys.argv[1]
connection = Connection(baseurl=url.removesuffix("/rest/services"), all_ssl=False, **json.load(sys.stdin))
layer = ImageryLayer(f"{url}/World/ImageServer", gis=connection)
json.dump(layer.tiles.estimate_size(levels="0-1", tile_package=True), sys.stdout)
