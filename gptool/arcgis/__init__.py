"""What ArcGIS runs: the Python toolbox, and its registration as a geoprocessing service."""
