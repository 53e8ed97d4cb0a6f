"""Kinds of results and their writers: tile packages and cache raster datasets of compact bundles."""
