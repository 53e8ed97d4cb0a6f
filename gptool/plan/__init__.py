"""Tiles and bytes that a request takes of a cache, and the limit on them."""
