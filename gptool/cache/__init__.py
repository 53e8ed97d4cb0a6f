"""What is there: tile caches as Esri software leaves them on a disk."""

from gptool.cache.base import Bundle, TileBatch, TileCache
from gptool.cache.content import Room
from gptool.cache.open import open_cache

__all__ = ("Bundle", "Room", "TileBatch", "TileCache", "open_cache")
