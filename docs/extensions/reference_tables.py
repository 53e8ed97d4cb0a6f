"""Sphinx extension: tables generated from the tables of the code, so that code and documentation cannot differ.

`parameter-table`
    The parameters of the operation, `gptool.request.parameters.INPUTS`.
`setting-table`
    The settings of the service, `gptool.service.settings.SERVICE_KEYS`.
`rule-table`
    The rules of verification, `gptool.verification.registry.RULES`.
`client-table`
    The profiles of clients, `gptool.verification.profiles.PROFILES`.
`tool-table desktop ExportTiles`
    The parameters of a tool for ArcGIS, `gptool.arcgis.tools.DESKTOP` or `SERVICE`.
`algorithm-table exporttiles`
    The parameters and outputs of an algorithm for QGIS, `gptool.qgis.descriptions.ALGORITHMS`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gptool.arcgis.descriptions import ToolParameter
from gptool.arcgis.metadata import DATATYPE_LABELS
from gptool.arcgis.tools import DESKTOP, SERVICE
from gptool.cli.options import SELECTION
from gptool.qgis.descriptions import ALGORITHMS, AlgorithmParameter
from gptool.request.parameters import INPUTS, Parameter
from gptool.service.settings import SERVICE_KEYS, option_name
from gptool.verification.profiles import PROFILES
from gptool.verification.registry import RULES, SOURCE_RULES
from gptool.verification.rule import ALL, PACKAGES

Cell = nodes.Node


class ReferenceTable(SphinxDirective):
    """A table of `headings`, of which `rows` yields the rows."""

    headings: ClassVar[Sequence[str]]
    widths: ClassVar[Sequence[int]]

    @abstractmethod
    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each row."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        group = nodes.tgroup(cols=len(self.headings))
        group += [nodes.colspec(colwidth=width) for width in self.widths]
        group += nodes.thead("", _row(map(_text, self.headings)))
        group += nodes.tbody("", *map(_row, self.rows()))
        return [nodes.table("", group, classes=["colwidths-given", "parameters"])]


class ParameterTable(ReferenceTable):
    """The parameters of the operation."""

    headings = "Parameter and option", "Type and values", "Meaning"
    widths = 24, 41, 35

    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each parameter."""
        for parameter in INPUTS:
            yield _lines(*_names(parameter)), _lines(*_values(parameter)), _text(parameter.documentation)


class SettingTable(ReferenceTable):
    """The settings of the service."""

    headings = "Option", "Key in [service]", "Default", "Meaning"
    widths = 24, 22, 14, 40

    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each setting."""
        for key, setting in SERVICE_KEYS.items():
            default = "" if setting.default in (None, "", ()) else _shown(setting.default)
            yield _code(option_name(setting)), _code(key), _code(default), _text(setting.metadata["help"])


class RuleTable(ReferenceTable):
    """The rules of verification."""

    headings = "Rule", "What holds", "Severity", "Applies to"
    widths = 26, 44, 10, 20

    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each rule."""
        for rule in RULES.values():
            applies = {ALL: "all", PACKAGES: "packages"}.get(rule.kinds) or ", ".join(sorted(rule.kinds))
            clients = "" if rule.is_general or rule.name in SOURCE_RULES else "; needed by single clients"
            source = "; with a source" if rule.name in SOURCE_RULES else ""
            yield _code(rule.name), _text(rule.statement), _text(rule.severity), _text(applies + clients + source)


class ClientTable(ReferenceTable):
    """The profiles of clients."""

    headings = "Name", "Client", "Opens", "Rules and their public sources"
    widths = 14, 16, 16, 54

    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each profile."""
        for name, profile in PROFILES.items():
            kinds = ", ".join(sorted(profile.kinds))
            yield _code(name), _text(profile.title), _text(kinds), _lines(*_sources(profile.rules))


class ToolTable(ReferenceTable):
    """The parameters of a tool for ArcGIS."""

    headings = "Parameter", "Type and values", "Meaning"
    widths = 26, 32, 42
    required_arguments = 2

    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each parameter."""
        toolbox, name = self.arguments
        [tool] = [tool for tool in {"desktop": DESKTOP, "service": SERVICE}[toolbox].tools if tool.name == name]
        for parameter in tool.parameters:
            yield (
                _lines(_text(parameter.label), _code(parameter.name)),
                _lines(*_tool_values(parameter)),
                _text(parameter.documentation),
            )


def _tool_values(parameter: ToolParameter) -> Iterator[Cell]:
    """Yield the type of a tool's parameter, its choices or limits, and its default."""
    types = " or ".join(DATATYPE_LABELS[keyword] for keyword in parameter.datatypes)
    kind = "derived output" if parameter.kind == "Derived" else parameter.kind.lower()
    yield _text(f"{types}, {'several, ' if parameter.is_list else ''}{kind}")
    yield from (_code(choice) for choice in parameter.choices)
    if parameter.limits:
        yield _text("{} to {}".format(*parameter.limits))
    if parameter.default is not None:
        yield nodes.paragraph("", "", nodes.Text("default "), nodes.literal(text=_shown(parameter.default)))


class AlgorithmTable(ReferenceTable):
    """The parameters and outputs of an algorithm for QGIS."""

    headings = "Parameter", "Type and values", "Meaning"
    widths = 26, 24, 50
    required_arguments = 1

    def rows(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each parameter and output."""
        [algorithm] = [algorithm for algorithm in ALGORITHMS if algorithm.name == self.arguments[0]]
        for item in algorithm.parameters:
            name = _lines(_text(item.label), _code(item.name))
            yield name, _lines(*_algorithm_values(item)), _text(item.help)
        for output in algorithm.outputs:
            yield _code(output.name), _text(f"{output.type}, output"), _text(f"{output.label}.")


ALGORITHM_TYPES = {
    "cache": "file, folder or URL",
    "choice": "one of",
    "choices": "several of",
    "file": "file or folder, written",
    "polygons": "layer of polygons",
}


def _algorithm_values(item: AlgorithmParameter) -> Iterator[Cell]:
    """Yield the type of an algorithm's parameter, its choices or limits, and its default."""
    kind = ALGORITHM_TYPES.get(item.type, item.type)
    yield _text(kind if item.is_optional or item.default is not None else f"{kind}, required")
    yield from (_code(choice) for choice in item.choices)
    if item.limits:
        yield _text("{} to {}".format(*item.limits))
    if item.default is not None:
        yield nodes.paragraph("", "", nodes.Text("default "), nodes.literal(text=_shown(item.default)))


def _sources(rules: Mapping[str, str]) -> Iterator[Cell]:
    """Yield the rules of a profile by their public source."""
    for source in dict.fromkeys(rules.values()):
        names = [name for name, other in rules.items() if other == source]
        texts = ["all general rules" if name == "*" else name for name in names]
        link = nodes.reference("", source.removeprefix("https://"), refuri=source)
        yield nodes.paragraph("", "", nodes.Text(", ".join(texts) + ": "), link)


def _names(parameter: Parameter) -> Iterator[Cell]:
    """Yield the names of a parameter: in requests, its aliases there, and on the command line."""
    yield _code(parameter.name)
    yield from (_code(alias) for alias in parameter.aliases)
    if parameter.name in SELECTION:
        yield _code(parameter.option)


def _values(parameter: Parameter) -> Iterator[Cell]:
    """Yield the type of a parameter, its choices or limits, and its default."""
    yield _code(parameter.type)
    yield from (_code(choice) for choice in parameter.choices)
    if parameter.limits:
        yield _text("{} to {}".format(*parameter.limits))
    if parameter.default is not None:
        yield nodes.paragraph("", "", nodes.Text("default "), nodes.literal(text=_shown(parameter.default)))


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(text: str) -> Cell:
    return nodes.paragraph("", text)


def _code(text: str) -> Cell:
    return nodes.paragraph("", "", *([nodes.literal(text=text)] if text else []))


def _lines(*lines: Cell) -> Cell:
    return nodes.container("", *lines)


def _row(cells: Iterator[Cell] | Sequence[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("parameter-table", ParameterTable)
    app.add_directive("setting-table", SettingTable)
    app.add_directive("rule-table", RuleTable)
    app.add_directive("client-table", ClientTable)
    app.add_directive("tool-table", ToolTable)
    app.add_directive("algorithm-table", AlgorithmTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
