"""The toolbox that is published as a geoprocessing service. `gptool register` copies it beside ExportTiles.toml.

It has not been run inside ArcGIS, only with a stand-in for arcpy.
"""

# When ArcGIS publishes a toolbox, it uploads each file and folder beside it that a string literal of this file names,
# and replaces the literal by a variable with the new, absolute path (Esri, "Author geoprocessing services with Python
# scripts"). Only the settings may be such a literal: joined to a folder, both their name and their path give the right
# file. All other literals are sentences; names of parameters are in modules of gptool, which ArcGIS does not change.
# It also inserts lines at the top of this file, so `from __future__ import annotations` would be a syntax error.

from pathlib import Path

import arcpy

SETTINGS = Path(__file__).parent / "ExportTiles.toml"

try:
    from gptool.arcgis import service
    from gptool.arcgis.requirements import check_modules

    check_modules()
except ImportError as error:
    REASON = f"gptool cannot be loaded by this Python: {error}. Install gptool and its dependencies; see gptool doctor."

    class Unavailable:
        """A tool that explains why there are no others."""

        def __init__(self):
            self.label = "gptool cannot be loaded: run this tool to see why."
            self.description = REASON

        def execute(self, parameters, messages):
            """Say what is missing."""
            arcpy.AddError(REASON)
            raise arcpy.ExecuteError

    class Toolbox:
        """The toolbox; ArcGIS looks for this class name."""

        def __init__(self):
            self.label = "Export Tiles (gptool cannot be loaded)"
            self.alias = SETTINGS.stem
            self.tools = [Unavailable]

else:

    class ExportTiles(service.ExportTiles):
        """The tool and task Export Tiles."""

        settings_path = SETTINGS

    class EstimateExportTilesSize(service.EstimateExportTilesSize):
        """The tool and task Estimate Export Tiles Size."""

        settings_path = SETTINGS

    class Toolbox(service.ServiceToolbox):
        """The toolbox; ArcGIS looks for this class name."""

        classes = [ExportTiles, EstimateExportTilesSize]  # noqa: RUF012 - as ArcGIS's template has it
