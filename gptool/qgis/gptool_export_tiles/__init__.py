"""The plugin for QGIS: algorithms of Processing that call the program gptool.

Its modules run in QGIS's Python, 3.8 or later, and import nothing but the standard library, QGIS and each other.
"""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """Return the plugin. QGIS calls this."""
    from .plugin import Plugin

    return Plugin()
