"""Kinds of results and their writers: tile packages, cache raster datasets of compact bundles, and other formats."""
