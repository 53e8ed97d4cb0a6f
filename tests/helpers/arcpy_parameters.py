"""Stand-ins for arcpy's Parameter, Filter and FeatureSet, as strict as `helpers.arcpy_stand_in`."""

from __future__ import annotations

import builtins
import json
from typing import Any

DATATYPES: dict[str, tuple[str, type | None]] = {
    "GPString": ("String", str),
    "GPBoolean": ("Boolean", bool),
    "GPLong": ("Long", int),
    "GPDouble": ("Double", float),
    "DEFile": ("File", str),
    "GPFeatureRecordSetLayer": ("Feature Set", None),
}
"""By keyword of a data type: the text of `Parameter.datatype`, and the Python type of a value."""

FILTERS = {"GPString": ("ValueList",), "GPLong": ("ValueList", "Range"), "GPDouble": ("ValueList", "Range")}
SHAPES = {"Point", "Multipoint", "Polyline", "Polygon", "MultiPatch"}


class FeatureSet:
    """Features with their schema, from the JSON of a feature set or another feature set."""

    __slots__ = ("_content",)

    def __init__(self, table_path: object = None) -> None:
        if isinstance(table_path, FeatureSet):
            self._content: dict[str, Any] = table_path._content
            return
        assert isinstance(table_path, str), "a path, JSON, or a feature set"
        content = json.loads(table_path)
        assert {"geometryType", "fields", "features"} <= content.keys(), "a feature set has a schema"
        shapes = [feature["geometry"] for feature in content["features"]]
        references = [shape["spatialReference"] for shape in shapes if "spatialReference" in shape]
        self._content = {
            "displayFieldName": "",
            "geometryType": content["geometryType"],
            # A feature class has one spatial reference, so its JSON states it on the set, never on a geometry.
            "spatialReference": content.get("spatialReference") or references[0],
            "fields": content["fields"],
            "features": [
                {"attributes": {}, "geometry": {name: value for name, value in shape.items() if name == "rings"}}
                for shape in shapes
            ],
        }

    @property
    def JSON(self) -> str:  # noqa: N802
        return json.dumps(self._content)


class Filter:
    """The values that a parameter accepts."""

    __slots__ = ("_datatype", "_list", "_type")

    def __init__(self, datatype: str) -> None:
        self._datatype = datatype
        self._list: builtins.list[Any] = []
        self._type = "FeatureClass" if datatype == "GPFeatureRecordSetLayer" else FILTERS.get(datatype, ("",))[0]

    @property
    def type(self) -> str:
        return self._type

    @type.setter
    def type(self, filter_type: str) -> None:
        assert filter_type in FILTERS.get(self._datatype, ()), f"no filter {filter_type} for {self._datatype}"
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
            assert all(isinstance(value, DATATYPES[self._datatype][1] or FeatureSet) for value in values)
        self._list = values

    def rejects(self, value: Any) -> bool:
        """Return True if internal validation rejects a value."""
        if not self._list or self._type == "FeatureClass":
            return False
        return not self._list[0] <= value <= self._list[1] if self._type == "Range" else value not in self._list


class Parameter:
    """One parameter of a tool."""

    __slots__ = ("_keyword", "_message", "_value", "direction", "displayName", "filter", "name", "parameterType")

    def __init__(self, *, name: str, displayName: str, direction: str, datatype: str, parameterType: str) -> None:  # noqa: N803
        assert name.isidentifier()
        assert displayName
        assert datatype in DATATYPES, f"no data type {datatype}"
        assert (parameterType, direction) in {("Required", "Input"), ("Optional", "Input"), ("Derived", "Output")}
        self.name, self.displayName, self.direction, self.parameterType = name, displayName, direction, parameterType
        self._keyword, self.filter = datatype, Filter(datatype)
        self._value: Any = None
        self._message: tuple[str, str] | None = None

    @property
    def datatype(self) -> str:
        """The name of the data type, not its keyword."""
        return DATATYPES[self._keyword][0]

    @property
    def value(self) -> Any:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        kind: type = DATATYPES[self._keyword][1] or FeatureSet
        assert value is None or type(value) is kind, f"{self.name}: expected {kind.__name__}, found {value!r}"
        assert not isinstance(value, int) or -(2**31) <= value < 2**31, "a long has 32 bits"
        self._value = value

    @property
    def message(self) -> str | None:
        return self._message[1] if self._message else None

    def setErrorMessage(self, message: str) -> None:  # noqa: N802
        assert isinstance(message, str)
        self._message = "ERROR", message

    def clearMessage(self) -> None:  # noqa: N802
        self._message = None

    def hasError(self) -> bool:  # noqa: N802
        return self._message is not None

    def validate(self) -> None:
        """Validate the value as ArcGIS does internally; not a function of arcpy."""
        self._message = None
        if self._value is None and self.parameterType == "Required":
            self._message = "ERROR", "ERROR 000735: Value is required"
        elif self._value is not None and self.filter.rejects(self._value):
            self._message = "ERROR", "ERROR 000800: The value is not a member of the list"
