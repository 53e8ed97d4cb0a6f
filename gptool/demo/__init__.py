"""A small cache to try the package with, on a machine that has no cache."""

from gptool.demo.world import make_cache

__all__ = ("make_cache",)
