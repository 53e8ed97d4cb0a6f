"""The operation as a REST service that ArcGIS clients speak; the only folder that imports the web framework."""
