"""Deltas: what changed between two states of a cache, as a small tile package, and the new state from the old one.

`differ` compares two caches and writes a delta; `applying` makes the new state of the base and a delta, and `in_place`
brings a cache folder to it. `document` is delta.json, `digests` says what its hashes are of, `overlays` has the caches
that both directions export. Only this folder reads or writes deltas.
"""
