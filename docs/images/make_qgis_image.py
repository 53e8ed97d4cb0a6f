"""Make the picture of the plugin's dialog in QGIS anew.

It runs in QGIS's Python, and needs no screen:

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 docs/images/make_qgis_image.py
"""

import os
import sys
from pathlib import Path

from qgis.core import QgsApplication

IMAGES = Path(__file__).resolve().parent
PLUGINS = IMAGES.parents[1] / "gptool" / "qgis"
VALUES = {"CACHE": "/data/world", "LEVELS": "0-3", "COMPRESSION_QUALITY": 50, "OUTPUT": "/data/world.tpkx"}
SIZE = 1080, 760


def main() -> None:
    """Show the dialog of Export tiles and save it."""
    application = QgsApplication([], True)
    application.initQgis()
    sys.dont_write_bytecode = True
    sys.path += [str(Path(QgsApplication.pkgDataPath(), "python", "plugins")), str(PLUGINS)]
    from gptool_export_tiles import classFactory  # noqa: PLC0415
    from processing.core.Processing import Processing  # noqa: PLC0415
    from processing.gui.AlgorithmDialog import AlgorithmDialog  # noqa: PLC0415

    Processing.initialize()
    plugin = classFactory(None)
    plugin.initProcessing()
    dialog = AlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById("gptool:exporttiles"), False, None)
    dialog.setParameters(VALUES)
    dialog.resize(*SIZE)
    dialog.show()
    for _ in range(20):  # until all of it is drawn
        application.processEvents()
    dialog.grab().save(str(IMAGES / "qgis.jpg"), quality=85)
    os._exit(0)  # QGIS without a main window does not always end


main()
