"""What was asked: levels and extent, understood in the terms of a cache."""

from gptool.request.extent import parse_extent
from gptool.request.levels import parse_levels
from gptool.request.numbers import whole_number
from gptool.request.selection import Selection
from gptool.request.storage import parse_storage

__all__ = ("Selection", "parse_extent", "parse_levels", "parse_storage", "whole_number")
