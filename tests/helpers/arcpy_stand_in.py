"""A stand-in for the arcpy functions that the toolboxes and the publishing script call, after Esri's documentation.

It is stricter than arcpy may be: an undocumented attribute, keyword or value is an error. Calls are recorded in
`calls`, messages for clients in `messages`. It does not show how ArcGIS itself handles these calls.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers import arcpy_parameters
from helpers.arcpy_sharing import Result, Sharing
from helpers.arcpy_values import Extent, FeatureSet, Layer


class ExecuteError(Exception):
    """Raised by a tool after it has added its error messages."""


class Environment:
    """`arcpy.env`, with the settings that concern the toolboxes."""

    __slots__ = ("_cancelled", "autoCancelling", "overwriteOutput", "packageWorkspace", "scratchFolder")

    def __init__(self, scratch: Path) -> None:
        self.autoCancelling, self.scratchFolder, self.packageWorkspace = True, str(scratch), str(scratch)
        self.overwriteOutput = False
        self._cancelled: Callable[[], bool] = lambda: False

    @property
    def isCancelled(self) -> bool:  # noqa: N802
        return self._cancelled()

    def cancel_when(self, cancelled: Callable[[], bool]) -> None:
        """Set the function that `isCancelled` calls; not a function of arcpy."""
        self._cancelled = cancelled


class ArcPy(types.ModuleType):
    """The module `arcpy`, a new one for each test.

    Parameters
    ----------
    scratch : Path
        The scratch folder.
    """

    ExecuteError, FeatureSet, Extent = ExecuteError, FeatureSet, Extent
    Parameter = arcpy_parameters.Parameter

    def __init__(self, scratch: Path) -> None:
        super().__init__("arcpy")
        self.env = Environment(scratch)
        self.calls: list[tuple[Any, ...]] = []
        self.messages: list[tuple[str, str]] = []
        self.site = Sharing(self.calls, ExecuteError)
        self.sharing = types.SimpleNamespace(CreateSharingDraft=self.site.create_draft)
        self.server = types.SimpleNamespace(
            StageService=self.site.stage, UploadServiceDefinition=self.site.upload
        )  # fmt: skip

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
        tools = {tool.__name__: self._function(tool, Path(input_file)) for tool in toolbox.tools}
        return types.SimpleNamespace(**tools)

    def _function(self, tool: type, path: Path) -> Callable[..., Result]:
        def run(*values: Any) -> Result:
            self.calls.append((tool.__name__, *values))
            result = self.run(tool(), dict(enumerate(values)))
            result.toolbox = path
            return result

        return run

    def validate(self, tool: Any, values: dict[Any, Any]) -> list[arcpy_parameters.Parameter]:
        """Return the parameters of a tool after its pane has got values one by one; not a function of arcpy."""
        parameters: list[arcpy_parameters.Parameter] = tool.getParameterInfo()
        for parameter in parameters:
            parameter.forget_changes()
        by_key = dict(enumerate(parameters)) | {parameter.name: parameter for parameter in parameters}
        assert len(by_key) == 2 * len(parameters), "two parameters of the same name"
        for key, value in [*values.items(), (None, None)]:
            if key is not None:
                assert by_key[key].parameterType != "Derived"
                by_key[key].value = value
            getattr(tool, "updateParameters", lambda _: None)(parameters)
            for parameter in parameters:
                parameter.validate(overwrite=self.env.overwriteOutput)
            getattr(tool, "updateMessages", lambda _: None)(parameters)
        return parameters

    def run(self, tool: Any, values: dict[Any, Any]) -> Result:
        """Run a tool as ArcGIS does, with values by index or name; not a function of arcpy."""
        assert tool.isLicensed()
        parameters = self.validate(tool, values)
        errors = [parameter.message for parameter in parameters if parameter.hasError()]
        if errors:
            raise ExecuteError("Failed to execute. Parameters are not valid.", *errors)
        tool.execute(parameters, None)
        return Result(type(tool).__name__, parameters)


def forget_arcpy() -> None:
    """Forget the modules that have imported another stand-in."""
    for name in [name for name, module in sys.modules.items() if name.startswith("gptool.arcgis.")]:
        if hasattr(sys.modules[name], "arcpy"):
            del sys.modules[name]
            delattr(sys.modules["gptool.arcgis"], name.rpartition(".")[2])


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


__all__ = ("ArcPy", "ExecuteError", "Extent", "FeatureSet", "Layer", "Result", "forget_arcpy", "load_toolbox")
