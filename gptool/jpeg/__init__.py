"""JPEG tiles: the recompression policy, quality steps and pixels."""
