"""A stand-in for the arcpy functions that the toolbox and its publishing script call, after Esri's documentation.

It is stricter than arcpy may be: an undocumented attribute, keyword or value is an error. Calls are recorded in
`calls`, messages for clients in `messages`. It does not show how ArcGIS itself handles these calls.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.arcpy_parameters import FeatureSet, Parameter

SERVER_TYPES = {"ARCGIS_SERVER", "FROM_CONNECTION_FILE", "MY_HOSTED_SERVICES"}
MESSAGE_LEVELS = {"None", "Error", "Warning", "Info"}


class ExecuteError(Exception):
    """Raised by a tool after it has added its error messages."""


class Environment:
    """`arcpy.env`, with the settings that concern the toolbox."""

    __slots__ = ("_cancelled", "autoCancelling", "packageWorkspace", "scratchFolder")

    def __init__(self, scratch: Path) -> None:
        self.autoCancelling, self.scratchFolder, self.packageWorkspace = True, str(scratch), str(scratch)
        self._cancelled: Callable[[], bool] = lambda: False

    @property
    def isCancelled(self) -> bool:  # noqa: N802
        return self._cancelled()

    def cancel_when(self, cancelled: Callable[[], bool]) -> None:
        """Set the function that `isCancelled` calls; not a function of arcpy."""
        self._cancelled = cancelled


class Result:
    """The result of a run of a tool: the values of its parameters."""

    def __init__(self, tool: str, parameters: list[Parameter]) -> None:
        self.tool, self.parameters = tool, parameters
        self.status = 4

    def __getitem__(self, index: int) -> str:
        return str([parameter.value for parameter in self.parameters if parameter.direction == "Output"][index])


class ArcPy(types.ModuleType):
    """The module `arcpy`, a new one for each test."""

    ExecuteError, FeatureSet, Parameter = ExecuteError, FeatureSet, Parameter

    def __init__(self, scratch: Path) -> None:
        super().__init__("arcpy")
        self.env = Environment(scratch)
        self.calls: list[tuple[Any, ...]] = []
        self.messages: list[tuple[str, str]] = []
        self.draft_errors: dict[tuple[str, int], list[Any]] = {}
        self.server = types.SimpleNamespace(
            StageService=self._stage_service, UploadServiceDefinition=self._upload_service_definition
        )

    def AddMessage(self, message: str) -> None:  # noqa: N802
        self.messages.append(("Informative", message))

    def AddWarning(self, message: str) -> None:  # noqa: N802
        self.messages.append(("Warning", message))

    def AddError(self, message: str) -> None:  # noqa: N802
        self.messages.append(("Error", message))

    def GetMessages(self, severity: int) -> str:  # noqa: N802
        kind = ("Informative", "Warning", "Error")[severity]
        return "\n".join(text for type_, text in self.messages if type_ == kind)

    def SetProgressor(  # noqa: N802
        self, type: str, message: str, min_range: int = 0, max_range: int = 100, step_value: int = 1
    ) -> None:
        assert type in {"default", "step"}
        assert isinstance(message, str)
        self.calls.append(("SetProgressor", type, message, min_range, max_range, step_value))

    def SetProgressorLabel(self, label: str) -> None:  # noqa: N802
        assert isinstance(label, str)
        self.calls.append(("SetProgressorLabel", label))

    def SetProgressorPosition(self, position: int) -> None:  # noqa: N802
        assert type(position) is int
        assert [call[1] for call in self.calls if call[0] == "SetProgressor"][-1] == "step"
        self.calls.append(("SetProgressorPosition", position))

    def ImportToolbox(self, input_file: str) -> types.SimpleNamespace:  # noqa: N802
        """Load a Python toolbox and return its tools as functions."""
        self.calls.append(("ImportToolbox", input_file))
        toolbox = load_toolbox(Path(input_file))
        tools = {tool.__name__: self._function(tool) for tool in toolbox.tools}
        return types.SimpleNamespace(**tools)

    def _function(self, tool: type) -> Callable[..., Result]:
        def run(*values: Any) -> Result:
            self.calls.append((tool.__name__, *values))
            return self.run(tool(), dict(enumerate(values)))

        return run

    def run(self, tool: Any, values: dict[Any, Any]) -> Result:
        """Run a tool as ArcGIS does, with values by index or name; not a function of arcpy."""
        assert tool.isLicensed()
        parameters = tool.getParameterInfo()
        by_key = dict(enumerate(parameters)) | {parameter.name: parameter for parameter in parameters}
        for key, value in values.items():
            assert by_key[key].direction == "Input"
            by_key[key].value = value
        for parameter in parameters:
            parameter.validate()
        tool.updateMessages(parameters)
        errors = [parameter.message for parameter in parameters if parameter.hasError()]
        if errors:
            raise ExecuteError("Failed to execute. Parameters are not valid.", *errors)
        tool.execute(parameters, None)
        return Result(type(tool).__name__, parameters)

    def CreateGPSDDraft(  # noqa: N802, PLR0917
        self,
        result: list[Result],
        out_sddraft: str,
        service_name: str,
        server_type: str = "ARCGIS_SERVER",
        connection_file_path: str | None = None,
        copy_data_to_server: bool = False,
        folder_name: str | None = None,
        summary: str | None = None,
        tags: str | None = None,
        executionType: str = "Asynchronous",  # noqa: N803
        resultMapServer: bool = False,  # noqa: N803
        showMessages: str = "None",  # noqa: N803
        maximumRecords: int = 1000,  # noqa: N803
        minInstances: int = 1,  # noqa: N803
        maxInstances: int = 2,  # noqa: N803
        maxUsageTime: int = 600,  # noqa: N803
        maxWaitTime: int = 60,  # noqa: N803
        maxIdleTime: int = 1800,  # noqa: N803
    ) -> dict[str, dict[tuple[str, int], list[Any]]]:
        assert all(isinstance(one, Result) and one.status == 4 for one in result)
        assert server_type in SERVER_TYPES
        assert (server_type == "FROM_CONNECTION_FILE") == (connection_file_path is not None)
        assert executionType in {"Asynchronous", "Synchronous"}
        assert showMessages in MESSAGE_LEVELS
        assert summary, "an item without a summary"
        assert tags, "an item without tags"
        given = {name: value for name, value in locals().items() if name not in {"self", "result", "out_sddraft"}}
        self.calls.append(("CreateGPSDDraft", [one.tool for one in result], given))
        Path(out_sddraft).write_text("draft", encoding="ascii")
        return {"errors": self.draft_errors, "warnings": {("no description", 24058): []}, "messages": {}}

    def _stage_service(self, in_service_definition_draft: str, out_service_definition: str) -> None:
        assert Path(in_service_definition_draft).suffix == ".sddraft"
        assert Path(in_service_definition_draft).read_text(encoding="ascii") == "draft"
        assert Path(out_service_definition).suffix == ".sd"
        Path(out_service_definition).write_text("definition", encoding="ascii")
        self.calls.append(("StageService",))

    def _upload_service_definition(self, in_sd_file: str, in_server: str) -> None:
        assert Path(in_sd_file).read_text(encoding="ascii") == "definition"
        self.calls.append(("UploadServiceDefinition", in_server))


def load_toolbox(path: Path) -> Any:
    """Execute a .pyt file and return its toolbox, checked against the documented requirements."""
    module = types.ModuleType("toolbox")
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(module))
    toolbox = module.Toolbox()
    assert toolbox.label
    assert toolbox.alias.isalnum()
    assert all(tool.__name__.isalnum() and tool().label and tool().description for tool in toolbox.tools)
    return toolbox
