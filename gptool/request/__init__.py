"""What was asked: parameters, levels and areas, understood in the terms of a tiling scheme."""

from gptool.request.parameters import INPUTS, PARAMETERS, Parameter, find_faults, known
from gptool.request.request import Request, read_call, read_request, select
from gptool.request.selection import Area, Selection
from gptool.request.values import whole_number

__all__ = (
    "INPUTS",
    "PARAMETERS",
    "Area",
    "Parameter",
    "Request",
    "Selection",
    "find_faults",
    "known",
    "read_call",
    "read_request",
    "select",
    "whole_number",
)
