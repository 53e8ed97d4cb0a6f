"""Asks a program to stop, as Ctrl-C does, so that it leaves nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys

if sys.platform == "win32":
    import ctypes

    # A group of its own can be sent Ctrl-Break; the program has a console, but no window.
    CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    PARENT = ctypes.c_uint32(-1)
    """ATTACH_PARENT_PROCESS: the console of the program that started QGIS."""

    def ask_to_stop(process: subprocess.Popen[bytes]) -> None:
        """Send Ctrl-Break, for which QGIS must belong to the program's console for a moment; else end the program."""
        kernel = ctypes.WinDLL("kernel32")
        had_console = kernel.FreeConsole()
        sent = kernel.AttachConsole(process.pid) and kernel.GenerateConsoleCtrlEvent(
            signal.CTRL_BREAK_EVENT, process.pid
        )
        kernel.FreeConsole()
        if had_console:
            kernel.AttachConsole(PARENT)
        if not sent:
            process.terminate()

else:
    CREATION_FLAGS = 0

    def ask_to_stop(process: subprocess.Popen[bytes]) -> None:
        """Send SIGTERM. SIGINT has no effect on what a shell has started in the background, and QGIS may be that."""
        process.send_signal(signal.SIGTERM)
