"""A small cache to try the program on, on a machine that has none."""

from gptool.demo.world import make_cache

__all__ = ("make_cache",)
