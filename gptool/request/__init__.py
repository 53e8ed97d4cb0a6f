"""Requests: the operation's parameters, parsed and resolved to levels and areas of a tiling scheme."""

from gptool.request.limits import read_limit, read_workers
from gptool.request.parameters import INPUTS, PARAMETERS, Parameter, invalid_inputs, known_inputs
from gptool.request.request import Request, read_call, read_request, select
from gptool.request.selection import Area, Selection
from gptool.request.unknown import unknown_notices

__all__ = (
    "INPUTS",
    "PARAMETERS",
    "Area",
    "Parameter",
    "Request",
    "Selection",
    "invalid_inputs",
    "known_inputs",
    "read_call",
    "read_limit",
    "read_request",
    "read_workers",
    "select",
    "unknown_notices",
)
