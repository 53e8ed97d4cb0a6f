"""The plugin: registers the provider of the algorithms."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import Provider


class Plugin:
    """The plugin. QGIS calls `initGui` with windows and `initProcessing` without, then `unload`."""

    def __init__(self) -> None:
        self._provider: Provider | None = None

    def initProcessing(self) -> None:
        """Register the provider."""
        self._provider = Provider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    initGui = initProcessing

    def unload(self) -> None:
        """Remove the provider."""
        QgsApplication.processingRegistry().removeProvider(self._provider)
        self._provider = None
