"""The provider of the algorithms, and its setting in the options of Processing."""

from __future__ import annotations

import json
from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider

from .algorithm import ProgramAlgorithm

PROGRAM_SETTING = "GPTOOL_PROGRAM"
"""The name of the setting, below `Processing/Configuration` in QGIS's settings."""

DESCRIPTIONS = Path(__file__).with_name("algorithms.json")


class Provider(QgsProcessingProvider):
    """The provider `gptool`."""

    def id(self) -> str:
        """Return the prefix of the ids of the algorithms."""
        return "gptool"

    def name(self) -> str:
        """Return the title in the toolbox, and of the settings."""
        return "Export Tiles (gptool)"

    def load(self) -> bool:
        """Add the setting and the algorithms."""
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        ProcessingConfig.addSetting(
            Setting(self.name(), PROGRAM_SETTING, "Path of the gptool program", "", valuetype=Setting.FILE)
        )
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Remove the setting."""
        ProcessingConfig.removeSetting(PROGRAM_SETTING)

    def loadAlgorithms(self) -> None:
        """Add an algorithm for each description."""
        for description in json.loads(DESCRIPTIONS.read_text(encoding="utf-8")):
            self.addAlgorithm(ProgramAlgorithm(description, _program_setting))


def _program_setting() -> str:
    return ProcessingConfig.getSetting(PROGRAM_SETTING) or ""
