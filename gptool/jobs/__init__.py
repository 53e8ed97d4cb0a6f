"""The geoprocessing job: its record, messages and report.json."""
