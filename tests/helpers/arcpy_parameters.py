"""Stand-ins for arcpy's Parameter and Filter, as strict as `helpers.arcpy_stand_in`.

Sources: Esri, "Parameter", "Parameter data types in a Python toolbox", "Customize tool behavior in a Python toolbox".
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.arcpy_values import Extent, FeatureSet, Layer, PathValue

DATATYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "GPString": ("String", (str,)),
    "GPBoolean": ("Boolean", (bool,)),
    "GPLong": ("Long", (int,)),
    "GPDouble": ("Double", (float,)),
    "DEFile": ("File", (PathValue,)),
    "DEFolder": ("Folder", (PathValue,)),
    "GPExtent": ("Extent", (Extent,)),
    "GPFeatureLayer": ("Feature Layer", (Layer, FeatureSet)),
    "GPFeatureRecordSetLayer": ("Feature Set", (FeatureSet,)),
}
"""By keyword of a data type: the text of `Parameter.datatype`, and the Python types of a value."""

FEATURES = "GPFeatureLayer", "GPFeatureRecordSetLayer"
FILES = "DEFile", "DEFolder"
FILTERS = {"GPString": ("ValueList",), "GPLong": ("ValueList", "Range"), "GPDouble": ("ValueList", "Range")}
SHAPES = {"Point", "Multipoint", "Polyline", "Polygon", "MultiPatch"}
KINDS = {("Required", "Input"), ("Required", "Output"), ("Optional", "Input"), ("Derived", "Output")}


class Filter:
    """The values that a parameter accepts."""

    __slots__ = ("_keyword", "_list", "_type")

    def __init__(self, keyword: str) -> None:
        self._keyword = keyword
        self._list: builtins.list[Any] = []
        self._type = "FeatureClass" if keyword in FEATURES else FILTERS.get(keyword, ("",))[0]

    @property
    def type(self) -> str:
        return self._type

    @type.setter
    def type(self, filter_type: str) -> None:
        assert filter_type in FILTERS.get(self._keyword, ()), f"no filter {filter_type} for {self._keyword}"
        self._type = filter_type

    @property
    def list(self) -> builtins.list[Any]:
        return self._list

    @list.setter
    def list(self, values: builtins.list[Any]) -> None:
        assert isinstance(values, builtins.list)
        if self._type == "FeatureClass":
            assert set(values) <= SHAPES
        elif self._type == "Range":
            assert len(values) == 2
        else:
            assert all(isinstance(value, DATATYPES[self._keyword][1]) for value in values)
        self._list = values

    def rejects(self, value: Any) -> bool:
        """Return True if internal validation rejects a value."""
        if not self._list or self._type == "FeatureClass":
            return False
        return not self._list[0] <= value <= self._list[1] if self._type == "Range" else value not in self._list


class Parameter:
    """One parameter of a tool."""

    __slots__ = (
        *("_altered", "_keywords", "_message", "_validated", "_value", "category", "direction", "displayName"),
        *("enabled", "filter", "multiValue", "name", "parameterType"),
    )

    def __init__(
        self,
        name: str,
        displayName: str,  # noqa: N803
        direction: str,
        datatype: str | list[str],
        parameterType: str,  # noqa: N803
        enabled: bool = True,
        category: str | None = None,
        symbology: str | None = None,
        multiValue: bool = False,  # noqa: N803
    ) -> None:
        assert name.isidentifier()
        assert displayName
        keywords = [datatype] if isinstance(datatype, str) else datatype
        assert set(keywords) <= {*DATATYPES}, f"no data type {datatype}"
        assert (parameterType, direction) in KINDS
        assert category is None or category
        assert symbology is None
        self.name, self.displayName, self.direction, self.parameterType = name, displayName, direction, parameterType
        self.enabled, self.category, self.multiValue = enabled, category, multiValue
        self._keywords, self.filter = keywords, Filter(keywords[0])
        self._value: Any = None
        self._message: tuple[str, str] | None = None
        self._altered = self._validated = False

    @property
    def datatype(self) -> str:
        """The name of the data type, not its keyword; of several, that of the first."""
        return DATATYPES[self._keywords[0]][0]

    @property
    def altered(self) -> bool:
        return self._altered

    @property
    def hasBeenValidated(self) -> bool:  # noqa: N802
        return self._validated

    @property
    def value(self) -> Any:
        """The value; of several, an object of ArcGIS that is of no use."""
        return self._value if self._value is None or not self.multiValue else object()

    @value.setter
    def value(self, value: Any) -> None:
        if value is not None and self.multiValue:
            value = value.split(";") if isinstance(value, str) else value
            assert isinstance(value, list)
            for one in value:
                self._check(one)
        elif value is not None:
            if self._keywords[0] in FILES and isinstance(value, str):
                value = PathValue(value)
            self._check(value)
        self._value, self._altered, self._validated = value, True, False

    @property
    def values(self) -> list[Any] | None:
        assert self.multiValue, f"{self.name} has one value"
        values: list[Any] | None = self._value
        return values

    @property
    def valueAsText(self) -> str | None:  # noqa: N802
        if self._value is None:
            return None
        return ";".join(self._value) if self.multiValue else str(self._value)

    @property
    def message(self) -> str | None:
        return self._message[1] if self._message else None

    def setErrorMessage(self, message: str) -> None:  # noqa: N802
        assert isinstance(message, str)
        self._message = "ERROR", message

    def setWarningMessage(self, message: str) -> None:  # noqa: N802
        assert isinstance(message, str)
        self._message = "WARNING", message

    def clearMessage(self) -> None:  # noqa: N802
        self._message = None

    def hasError(self) -> bool:  # noqa: N802
        return self._message is not None and self._message[0] == "ERROR"

    def hasWarning(self) -> bool:  # noqa: N802
        return self._message is not None and self._message[0] == "WARNING"

    def _check(self, value: Any) -> None:
        kinds = [kind for keyword in self._keywords for kind in DATATYPES[keyword][1]]
        assert type(value) in kinds, f"{self.name}: expected {kinds}, found {value!r}"
        assert not isinstance(value, int) or -(2**31) <= value < 2**31, "a long has 32 bits"

    def forget_changes(self) -> None:
        """Take the value for the tool's own, which nobody has altered; not a function of arcpy."""
        self._altered = False

    def validate(self, *, overwrite: bool = False) -> None:
        """Validate the value as ArcGIS does internally; not a function of arcpy."""
        self._validated, self._message = True, None
        if self._value is None:
            if self.parameterType == "Required":
                self._message = "ERROR", "ERROR 000735: Value is required"
        elif self._keywords[0] in FILES and self.parameterType != "Derived":
            self._validate_path(Path(str(self._value)), overwrite)
        elif any(map(self.filter.rejects, self._value if self.multiValue else [self._value])):
            self._message = "ERROR", "ERROR 000800: The value is not a member of the list"

    def _validate_path(self, path: Path, overwrite: bool) -> None:
        tests: dict[str, Callable[[], bool]] = {"DEFile": path.is_file, "DEFolder": path.is_dir}
        if self.direction == "Input":
            if not any(tests[keyword]() for keyword in self._keywords):
                self._message = "ERROR", f"ERROR 000732: {path} does not exist or is not supported"
        elif path.exists():
            text = f"{path} already exists"
            self._message = ("WARNING", f"WARNING 000258: {text}") if overwrite else ("ERROR", f"ERROR 000725: {text}")
