"""What all tools of the toolboxes have in common."""

from __future__ import annotations

from typing import ClassVar

import arcpy

from gptool.arcgis.descriptions import ToolboxDescription, ToolDescription
from gptool.arcgis.parameters import new_parameters


class Tool:
    """A tool of a Python toolbox, whose methods ArcGIS calls by their names."""

    tool: ClassVar[ToolDescription]
    canRunInBackground = False

    def __init__(self) -> None:
        self.label = self.tool.label
        self.description = self.tool.summary

    def getParameterInfo(self) -> list[arcpy.Parameter]:
        """Return the parameters."""
        return new_parameters(self.tool)

    def isLicensed(self) -> bool:
        """Return True: no licence is needed."""
        return True


class BaseToolbox:
    """The base class of the class `Toolbox` that ArcGIS looks for in a .pyt file."""

    toolbox: ClassVar[ToolboxDescription]
    classes: ClassVar[list[type[Tool]]]

    def __init__(self) -> None:
        self.label = self.toolbox.label
        self.alias = self.toolbox.alias
        self.tools = self.classes
