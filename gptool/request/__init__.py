"""Requests: the operation's parameters, parsed and resolved to levels and areas of a tiling scheme."""

from gptool.request.limits import read_limit, read_workers
from gptool.request.parameters import INPUTS, PARAMETERS, TOOL_INPUTS, Parameter, invalid_inputs, known_inputs
from gptool.request.request import Request, read_call, read_request, select
from gptool.request.requested_boxes import (
    RequestedBox,
    check_degrees,
    degree_warnings,
    format_extent,
    reference_text,
    requested_boxes,
)
from gptool.request.selection import Area, Selection
from gptool.request.unknown import unknown_notices

__all__ = (
    "INPUTS",
    "PARAMETERS",
    "TOOL_INPUTS",
    "Area",
    "Parameter",
    "Request",
    "RequestedBox",
    "Selection",
    "check_degrees",
    "degree_warnings",
    "format_extent",
    "invalid_inputs",
    "known_inputs",
    "read_call",
    "read_limit",
    "read_request",
    "read_workers",
    "reference_text",
    "requested_boxes",
    "select",
    "unknown_notices",
)
