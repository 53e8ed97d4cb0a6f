"""A stand-in for `arcpy.sharing`, the tools that stage and upload a service, and the site that it is published to.

Sources: Esri, "GeoprocessingSharingDraft", "Stage Service", "Upload Service Definition", "Author geoprocessing services
with Python scripts". Like the latter says, staging copies what string literals of a toolbox name, and replaces them.
"""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

from helpers.arcpy_parameters import Parameter

TYPES = {"STANDALONE_SERVER": "GP_SERVICE", "FEDERATED_SERVER": "WEB_TOOL"}
DATA, TOOLS = "cd", "p30"
"""Folders of a staged service: what literals name, and the toolbox."""

CHOICES = {
    "in_override": {"OVERRIDE_DEFINITION", "USE_DEFINITION"},
    "in_my_contents": {"SHARE_ONLINE", "NO_SHARE_ONLINE"},
    "in_public": {"PUBLIC", "PRIVATE"},
    "in_organization": {"SHARE_ORGANIZATION", "NO_SHARE_ORGANIZATION"},
}


class Result:
    """The result of a run of a tool: the values of its parameters."""

    def __init__(self, tool: str, parameters: list[Parameter]) -> None:
        self.tool, self.parameters = tool, parameters
        self.toolbox: Path | None = None
        self.status = 4

    def __getitem__(self, index: int) -> str:
        return str([parameter.value for parameter in self.parameters if parameter.direction == "Output"][index])


class Draft:
    """A `GeoprocessingSharingDraft`: only documented properties can be set."""

    __slots__ = (
        *("_site", "_written", "copyDataToServer", "description", "draftValue", "executionType", "maxIdleTime"),
        *("maxInstances", "maxUsageTime", "maxWaitTime", "maximumRecords", "messageLevel", "minInstances"),
        *("overwriteExistingService", "portalFolder", "resultMapService", "serverFolder", "serverType", "serviceName"),
        *("serviceType", "summary", "tags", "targetServer"),
    )

    def __init__(self, site: Sharing, server_type: str, service_type: str, service_name: str, value: Any) -> None:
        self._site, self.serverType, self.serviceType = site, server_type, service_type
        self.serviceName, self.draftValue = service_name, value
        self.description = self.summary = self.tags = self.targetServer = self.serverFolder = self.portalFolder = ""
        self.overwriteExistingService = self.copyDataToServer = self.resultMapService = False
        self.executionType, self.messageLevel, self.maximumRecords = "Asynchronous", "Error", 1000
        self.minInstances, self.maxInstances = 1, 2
        self.maxUsageTime, self.maxWaitTime, self.maxIdleTime = 600, 60, 1800
        self._written: str | None = None

    def exportToSDDraft(self, out_sddraft: str) -> None:  # noqa: N802
        assert Path(out_sddraft).suffix == ".sddraft"
        assert self.executionType in {"Asynchronous", "Synchronous"}
        assert self.messageLevel in {"None", "Error", "Warning", "Info"}
        assert self.targetServer, "a connected draft has a server"
        assert self.summary, "an item without a summary"
        assert self.tags, "an item without tags"
        assert not (self.portalFolder and self.serverType == "STANDALONE_SERVER"), "a site has no portal"
        names = [name for name in Draft.__slots__ if name[0] != "_" and name != "draftValue"]
        values = {name: getattr(self, name) for name in names}
        values["tools"] = [result.tool for result in self.draftValue]
        values["toolbox"] = str(self.draftValue[0].toolbox)
        self._site.calls.append(("exportToSDDraft", values))
        Path(out_sddraft).write_text(json.dumps(values), encoding="utf-8")
        self._written = out_sddraft

    def analyzeSDDraft(self) -> dict[str, list[tuple[Any, ...]]]:  # noqa: N802
        assert self._written, "exported before it is analysed"
        return {"errors": self._site.draft_errors, "warnings": [(24058, "no description", [])], "messages": []}


class Sharing:
    """The portal or site, and what is published there.

    Attributes
    ----------
    draft_errors : list of tuple
        What the analyzer of drafts finds.
    published : dict
        The folder of the published toolbox by server, folder and name of the service.
    """

    def __init__(self, calls: list[tuple[Any, ...]], error: type[Exception]) -> None:
        self.calls, self._error = calls, error
        self.draft_errors: list[tuple[Any, ...]] = []
        self.published: dict[tuple[str, str, str], Path] = {}
        self.folder: Path | None = None

    def create_draft(self, server_type: str, service_type: str, service_name: str, draft_value: list[Result]) -> Draft:
        assert TYPES[server_type] == service_type
        assert service_name.isidentifier()
        assert draft_value, "a draft is made of results"
        assert all(isinstance(one, Result) and one.status == 4 for one in draft_value)
        return Draft(self, server_type, service_type, service_name, draft_value)

    def stage(self, in_service_definition_draft: str, out_service_definition: str) -> None:
        assert Path(in_service_definition_draft).suffix == ".sddraft"
        assert Path(out_service_definition).suffix == ".sd"
        assert not Path(out_service_definition).exists()
        shutil.copyfile(in_service_definition_draft, out_service_definition)
        self.calls.append(("StageService",))

    def upload(self, in_sd_file: str, in_server: str, **sharing: Any) -> None:
        for name, value in sharing.items():
            assert isinstance(value, list) if name == "in_groups" else value in CHOICES[name]
        values = json.loads(Path(in_sd_file).read_text(encoding="utf-8"))
        assert in_server == values["targetServer"]
        key = (in_server, values["serverFolder"], values["serviceName"])
        if key in self.published and not values["overwriteExistingService"]:
            raise self._error(f"ERROR: the service {'/'.join(key[1:])} already exists")
        assert self.folder, "the test says where the site has its files"
        target = self.folder / f"{key[1]}.{key[2]}.{len(self.calls)}"
        consolidate(Path(values["toolbox"]), target)
        self.published[key] = target / TOOLS / Path(values["toolbox"]).name
        self.calls.append(("UploadServiceDefinition", in_server, sharing))


def consolidate(toolbox: Path, target: Path) -> None:
    """Copy a toolbox and what its string literals name, and replace these literals by variables with absolute paths.

    As on Windows, names are compared in any letter case.
    """
    text = toolbox.read_text(encoding="utf-8")
    beside = {path.name.lower(): path for path in toolbox.parent.iterdir()}
    found = [node for node in literals(ast.parse(text)) if str(node.value).lower() in beside]
    (target / DATA).mkdir(parents=True)
    (target / TOOLS).mkdir()
    lines, variables = text.splitlines(keepends=True), []
    for number, node in enumerate(sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True), 1):
        path = beside[str(node.value).lower()]
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target / DATA / path.name)
        line, name = lines[node.lineno - 1], f"g_ESRI_variable_{number}"
        assert node.end_col_offset is not None
        lines[node.lineno - 1] = line[: node.col_offset] + name + line[node.end_col_offset :]
        where = f"os.path.join(arcpy.env.packageWorkspace, '..', '{DATA}', {path.name!r})"
        variables.append(f"{name} = {where}\n")
    head = ["# Esri start of added imports\n", "import sys, os, arcpy\n", "# Esri end of added imports\n", *variables]
    (target / TOOLS / toolbox.name).write_text("".join([*head, *lines]), encoding="utf-8")


def literals(tree: ast.Module) -> list[ast.Constant]:
    """Return the string literals in variables and arguments: not docstrings, nor parts of formatted strings."""
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr | ast.JoinedStr)
        for part in ast.iter_child_nodes(node)
    }
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in parts)
    return [node for node in found if isinstance(node.value, str) and node.value]
