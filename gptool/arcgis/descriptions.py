"""The descriptions of toolboxes, tools and parameters, free of arcpy; `gptool.arcgis.tools` has those of our tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gptool.request import Parameter as Definition


@dataclass(frozen=True, slots=True)
class ToolParameter:
    """A parameter of a tool.

    Attributes
    ----------
    name : str
        The name in Python and in REST.
    label : str
        The title in the Geoprocessing pane.
    datatypes : tuple of str
        Keywords of ArcGIS's data types, one unless values of several are accepted.
    documentation : str
    kind : {"Required", "Optional", "Derived"}
        `parameterType` of arcpy.
    is_output : bool
    category : str or None
        The group that the Geoprocessing pane shows the parameter in.
    default : str, bool or None
    choices : tuple of str
    limits : (int, int) or None
    is_list : bool
        Whether it has several values.
    definition : Definition or None
        The entry of the operation's table that it stands for.
    """

    name: str
    label: str
    datatypes: tuple[str, ...]
    documentation: str
    kind: Literal["Required", "Optional", "Derived"] = "Optional"
    is_output: bool = False
    category: str | None = None
    default: str | bool | None = None
    choices: tuple[str, ...] = ()
    limits: tuple[int, int] | None = None
    is_list: bool = False
    definition: Definition | None = None


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """A tool.

    Attributes
    ----------
    name : str
        The name of its class, which is the name of the tool in Python and of the task in REST.
    label, summary : str
    usage : tuple of str
        Paragraphs.
    sample : str
        Python code that runs it.
    parameters : tuple of ToolParameter
    """

    name: str
    label: str
    summary: str
    usage: tuple[str, ...]
    sample: str
    parameters: tuple[ToolParameter, ...]


@dataclass(frozen=True, slots=True)
class ToolboxDescription:
    """A toolbox.

    Attributes
    ----------
    name : str
        The name of its file, without suffix.
    label : str
        The name that ArcGIS Pro shows.
    alias : str
        The name of the module of its tools in arcpy: letters and digits.
    summary : str
    tools : tuple of ToolDescription
    """

    name: str
    label: str
    alias: str
    summary: str
    tools: tuple[ToolDescription, ...]
