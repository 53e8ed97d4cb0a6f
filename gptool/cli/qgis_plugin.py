"""`gptool qgis-plugin`: the plugin for QGIS, and its installation into a profile."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from gptool.cli.usage import Command, Location

EPILOG = """\b
Examples:
  gptool qgis-plugin
  gptool qgis-plugin ~/.local/share/QGIS/QGIS3/profiles/default
"""


@click.command("qgis-plugin", cls=Command, epilog=EPILOG)
@click.argument("profile", type=Location(Path), required=False)
@click.option("--overwrite", is_flag=True, help="Replace the plugin of an earlier installation.")
def command(profile: Path | None, overwrite: bool) -> None:
    """Install the plugin for QGIS into the folder PROFILE of a profile, and show the next steps.

    Without PROFILE, only the folder of the plugin is printed. In QGIS, Settings > User Profiles > Open Active Profile
    Folder shows the folder of the profile.
    """
    from gptool.qgis.descriptions import METADATA, PLUGIN_FOLDER
    from gptool.qgis.installation import install_plugin

    if profile is None:
        click.echo(PLUGIN_FOLDER)
        return
    title = METADATA["name"]
    click.echo(f"{install_plugin(profile, overwrite=overwrite)}: the plugin. Next:\n")
    click.echo(f"1. Start QGIS again, and enable {title} in Plugins > Manage and Install Plugins.")
    click.echo(
        f"2. In Settings > Options > Processing > Providers > {title}, set the path of the gptool program to\n"
        f"       {_program()}\n"
        "   unless it is on the PATH of QGIS."
    )


def _program() -> str:
    """Return the path of the program, beside the interpreter or as it was called."""
    return shutil.which("gptool", path=str(Path(sys.executable).parent)) or shutil.which("gptool") or sys.argv[0]
