"""The toolbox of ArcGIS Pro, which lists toolboxes in the folder esri/toolboxes of installed packages.

It has not been run inside ArcGIS, only with a stand-in for arcpy. Esri, "Create geoprocessing modules".
"""

import arcpy

try:
    from gptool.arcgis.desktop import DesktopToolbox as Toolbox
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
            self.alias = "gptool"
            self.tools = [Unavailable]
