"""REST resources: functions from a request to a representation."""
