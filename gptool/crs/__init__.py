"""Spatial references, and reprojection of polygons between them."""
