"""The command line: one file a command. It parses, calls the library, and shows what came of it."""

from gptool.cli.main import main

__all__ = ("main",)
