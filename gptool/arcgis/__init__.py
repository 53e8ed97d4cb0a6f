"""Adapters for ArcGIS: the Python toolbox, and its registration as a geoprocessing service."""
