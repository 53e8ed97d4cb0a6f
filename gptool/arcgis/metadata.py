"""Metadata of the toolboxes: what ArcGIS Pro shows as help of a tool, its parameters, and code samples.

Files beside a toolbox `X.pyt`: `X.pyt.xml` is about the toolbox, `X.Tool.pyt.xml` about a tool (Esri, "Document a tool
in a Python toolbox" and "Create geoprocessing modules"). The elements are those that ArcGIS Pro itself writes.
After a change of the tools, `python -m gptool.arcgis.metadata` writes the files of the package again.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from gptool.arcgis.descriptions import ToolboxDescription, ToolDescription, ToolParameter
from gptool.arcgis.tools import DESKTOP, TAGS

DATATYPE_LABELS = {
    "DEFile": "File",
    "DEFolder": "Folder",
    "GPBoolean": "Boolean",
    "GPDouble": "Double",
    "GPExtent": "Extent",
    "GPFeatureLayer": "Feature Layer",
    "GPFeatureRecordSetLayer": "Feature Set",
    "GPLong": "Long",
    "GPString": "String",
}
"""What ArcGIS calls the data types."""

TOOLBOX_FOLDER = Path(__file__).parents[1] / "esri" / "toolboxes"
"""The folder of packages in which ArcGIS Pro looks for toolboxes (Esri, "Create geoprocessing modules")."""

CREATED = "20260101"
"""A date that the form requires; a fixed one, so that the files depend on the tools alone."""


def metadata_files(toolbox: ToolboxDescription) -> dict[str, str]:
    """Return the XML documents of a toolbox by the names of their files."""
    files = {f"{toolbox.name}.pyt.xml": _toolbox_xml(toolbox)}
    return files | {f"{toolbox.name}.{tool.name}.pyt.xml": _tool_xml(toolbox, tool) for tool in toolbox.tools}


def write_metadata(folder: Path, toolbox: ToolboxDescription) -> None:
    """Write the metadata of a toolbox to its folder.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    for name, text in metadata_files(toolbox).items():
        (folder / name).write_bytes(text.encode())


def _toolbox_xml(toolbox: ToolboxDescription) -> str:
    root = _new_document()
    item = ElementTree.SubElement(root, "toolbox", name=toolbox.name, alias=toolbox.alias)
    ElementTree.SubElement(item, "toolsets")
    _add_item_description(root, toolbox.label, toolbox.summary, "ArcToolbox Toolbox")
    return _text(root)


def _tool_xml(toolbox: ToolboxDescription, tool: ToolDescription) -> str:
    root = _new_document()
    item = ElementTree.SubElement(
        root, "tool", name=tool.name, displayname=tool.label, toolboxalias=toolbox.alias, xmlns=""
    )
    parameters = ElementTree.SubElement(item, "parameters")
    for parameter in tool.parameters:
        _add_parameter(parameters, parameter)
    _add(item, "summary", _html(tool.summary))
    _add(item, "usage", _html(*tool.usage))
    example = ElementTree.SubElement(ElementTree.SubElement(item, "scriptExamples"), "scriptExample")
    _add(example, "title", f"{tool.label} in Python")
    _add(example, "para", _html(tool.summary))
    _add(example, "code", tool.sample)
    _add_item_description(root, tool.label, tool.summary, "ArcToolbox Tool")
    return _text(root)


def _add_parameter(parent: ElementTree.Element, parameter: ToolParameter) -> None:
    datatype = "; ".join(DATATYPE_LABELS[keyword] for keyword in parameter.datatypes)
    element = ElementTree.SubElement(
        parent,
        "param",
        name=parameter.name,
        displayname=parameter.label,
        type=parameter.kind,
        direction="Output" if parameter.is_output else "Input",
        datatype=f"Multiple Value; {datatype}" if parameter.is_list else datatype,
        expression=parameter.name if parameter.kind == "Required" else f"{{{parameter.name}}}",
    )
    for form in ("dialogReference", "pythonReference"):
        _add(element, form, _html(parameter.documentation, *_value_texts(parameter)))


def _value_texts(parameter: ToolParameter) -> list[str]:
    """Return sentences on the valid values and the default of a parameter."""
    texts = []
    if parameter.choices:
        texts.append(f"Values: {', '.join(parameter.choices)}.")
    if parameter.default is not None:
        default = parameter.default
        texts.append(f"Default: {str(default).lower() if isinstance(default, bool) else default}.")
    return texts


def _new_document() -> ElementTree.Element:
    root = ElementTree.Element("metadata", {"xml:lang": "en"})
    esri = ElementTree.SubElement(root, "Esri")
    for tag, text in {"CreaDate": CREATED, "CreaTime": "00000000", "ArcGISFormat": "1.0", "SyncOnce": "TRUE"}.items():
        _add(esri, tag, text)
    return root


def _add_item_description(root: ElementTree.Element, title: str, summary: str, form: str) -> None:
    """Add title, abstract and tags, which a service that is published from the tool inherits."""
    item = ElementTree.SubElement(root, "dataIdInfo")
    _add(ElementTree.SubElement(item, "idCitation"), "resTitle", title)
    _add(item, "idAbs", _html(summary))
    _add(item, "idPurp", summary)
    keys = ElementTree.SubElement(item, "searchKeys")
    for tag in TAGS:
        _add(keys, "keyword", tag)
    distributor = ElementTree.SubElement(ElementTree.SubElement(root, "distInfo"), "distributor")
    _add(ElementTree.SubElement(distributor, "distorFormat"), "formatName", form)


def _add(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def _html(*paragraphs: str) -> str:
    """Return paragraphs in the HTML that is the text of such an element; it is escaped as any other text."""
    body = ElementTree.Element("DIV", STYLE="text-align:Left;")
    for paragraph in paragraphs:
        _add(body, "P", paragraph)
    return ElementTree.tostring(body, encoding="unicode")


def _text(root: ElementTree.Element) -> str:
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


if __name__ == "__main__":
    write_metadata(TOOLBOX_FOLDER, DESKTOP)
