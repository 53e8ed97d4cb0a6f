"""PNG tiles: their structure, and optimisation without loss."""
