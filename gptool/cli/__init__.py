"""The command line, one file per command: it parses, calls the library and prints."""

from gptool.cli.main import main

__all__ = ("main",)
