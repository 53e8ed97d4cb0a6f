"""The plugin for QGIS: the folder `gptool_export_tiles`, what is generated in it, and its installation.

Only that folder runs in QGIS, whose Python does not have gptool. It calls the program `gptool`.
"""
