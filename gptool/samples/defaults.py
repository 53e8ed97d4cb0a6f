"""What is compared by default, and how much at most."""

DEFAULT_QUALITIES = 30, 40, 50, 60, 70
MAX_QUALITIES = 12
"""Each quality adds an image to every tile of the page."""

DEFAULT_COUNT, MAX_COUNT = 48, 200
"""Tiles of the page: by default enough for those that represent 13 levels, and the worst."""

PAGE = "samples.html"
"""The name of the page in the result of a job."""
