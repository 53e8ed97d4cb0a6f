"""The files with which ArcGIS publishes the tools as a geoprocessing service."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from gptool import system
from gptool.arcgis.metadata import metadata_files, write_metadata
from gptool.arcgis.tools import SERVICE as SERVICE_TOOLBOX
from gptool.cache import open_cache
from gptool.errors import ParameterError, translate_os_errors
from gptool.output.staging import Staging
from gptool.request.limits import read_folder
from gptool.settings import NAME_PATTERN, NAME_RULE, CacheSettings, write_settings
from gptool.system.store_url import AnyLocation, Location, StoreUrl, absolute_location, read_location

TEMPLATE_FOLDER = Path(__file__).parent / "toolbox"
"""The folder of the toolbox and of the template of the publishing script."""

TOOLBOX, SETTINGS, SCRIPT = "ExportTiles.pyt", "ExportTiles.toml", "publish.py"
FILES = TOOLBOX, SETTINGS, SCRIPT, *metadata_files(SERVICE_TOOLBOX)
SERVICE = "ExportTiles"

TRIED = (
    "Toolbox and publishing script were tried with a stand-in for arcpy, never inside ArcGIS Pro or ArcGIS Server: "
    "publish to a test site first."
)
"""What has and has not been tried."""

SERVER_PYTHON = r"<ArcGIS Server>\framework\runtime\ArcGIS\bin\Python"
"""The folder of ArcGIS Server's Python (Esri, "Deploy custom Python packages for ArcGIS Server")."""

SITE_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s/?#@]+)*/?", re.IGNORECASE)
"""URL of a site, without user name and password: those must not be written to files."""

PAGE_NAMES = {"rest", "admin", "manager", "services"}
"""Path segments of the URLs of a site's pages, which the URL of the site itself does not have."""

FOLDER_NAME = re.compile(r"[A-Za-z0-9_]{1,120}")
FOLDER_NAME_RULE = "1 to 120 letters, digits and underscores"
"""The names of folders that ArcGIS Server accepts."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The files that were written, and the service that they publish.

    Attributes
    ----------
    output : Path
        The folder of toolbox, settings and script.
    url : str
        The URL of the service once it is published.
    locations : tuple of Path
        The locations of the caches.
    """

    output: Path
    url: str
    locations: tuple[Location, ...]

    @property
    def steps(self) -> list[str]:
        """The steps that remain to be done by hand."""
        locations = "".join(f"\n       {location}" for location in self.locations)
        script = self.output / SCRIPT
        return [
            "Install gptool on every machine of the ArcGIS Server site, in a clone of its environment. On Windows, in "
            rf"{SERVER_PYTHON}\Scripts:" + "\n"
            rf"       conda create --clone arcgispro-py3 --prefix {SERVER_PYTHON}\envs\gptool --pinned --no-shortcuts"
            "\n       proswap gptool\n"
            "   Install gptool in that environment as its documentation says (ArcGIS, Installation), check it with "
            "gptool doctor, and restart ArcGIS Server. Do the same, without the restart, on the ArcGIS Pro machine "
            "that publishes.",
            "Give the account that ArcGIS Server runs as read access to the caches; nothing is written there:"
            f"{locations}\n   The folders need not be registered as data stores: ArcGIS does not see these paths. If "
            "the machines of the site have other paths to them (a service does not know mapped drives), edit the "
            f"locations in {self.output / SETTINGS}. A site that blocks the copying of data must allow it while tools "
            "are published: ArcGIS copies the toolbox and its settings.",
            "If the site is federated with a portal, sign in to the portal in ArcGIS Pro and stay signed in. For a "
            "stand-alone site, create a server connection file (x.ags) in ArcGIS Pro for a user who may publish.",
            "Run the publishing script with the Python of that ArcGIS Pro; x.ags is for a stand-alone site only:\n"
            f"       propy {script} [x.ags]\n"
            "   --portal-folder, --share and --group say where a portal lists the tools, and who may use them.",
            f"The service is then available at {self.url}, with the tasks ExportTiles and EstimateExportTilesSize. "
            "After a change of the settings, or of gptool, publish it again:\n"
            f"       propy {script} --overwrite [x.ags]",
        ]


def register(
    server: str,
    folder: str,
    caches: Mapping[str, AnyLocation],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Registration:
    """Write the files with which ArcGIS publishes the tools as a geoprocessing service.

    Parameters
    ----------
    server : str
        URL of an ArcGIS Server site, as in `https://gis.example.com/server`.
    folder : str
        The folder of the site for the service: 1 to 120 letters, digits and underscores.
    caches : mapping of str to path
        The caches that the service offers, by name. On other systems than Windows, the path of a Windows machine is
        not opened: it is that of the site.
    output : path
        The folder for the files; created if it does not exist.
    overwrite : bool
        Whether existing files of the same names may be replaced.

    Returns
    -------
    Registration

    Raises
    ------
    ParameterError
        If the URL or a name is invalid, or no cache is given.
    CacheError
        If a cache cannot be read.
    OutputError
        If the files cannot be written.
    OutputExistsError
        If a file exists and `overwrite` is False.
    """
    server = _site_url(server)
    if not FOLDER_NAME.fullmatch(folder):
        raise ParameterError("invalid folder name", where="folder", found=repr(folder), expected=FOLDER_NAME_RULE)
    settings = {name: _cache_settings(name, location) for name, location in caches.items()}
    if not settings:
        raise ParameterError("no cache is given", where="caches", expected="at least one")
    target = read_folder(output, "output")
    with translate_os_errors(target), _staged_files(target, overwrite=overwrite) as staged:
        shutil.copyfile(TEMPLATE_FOLDER / TOOLBOX, staged / TOOLBOX)
        write_settings(staged / SETTINGS, settings)
        write_metadata(staged, SERVICE_TOOLBOX)
        (staged / SCRIPT).write_text(_script(server, folder, next(iter(settings))), encoding="utf-8")
    url = f"{server}/rest/services/{folder}/{SERVICE}/GPServer"
    return Registration(target, url, tuple(cache.location for cache in settings.values()))


def _site_url(server: str) -> str:
    """Return the URL of a site without trailing slash. Raises ParameterError if it is none."""
    if not SITE_URL.fullmatch(server) or PAGE_NAMES & set(server.lower().split("/")[3:]):
        raise ParameterError(
            "invalid site URL",
            where="server",
            found=repr(server.rpartition("@")[2]),
            expected="a URL such as https://gis.example.com/server, without user name, page or query",
        )
    return server.rstrip("/")


def _cache_settings(name: str, location: AnyLocation) -> CacheSettings:
    """Return the settings of a cache with an absolute location. A Windows path elsewhere is that of the site.

    Raises
    ------
    ParameterError
        If the name is invalid.
    CacheError
        If the cache cannot be read.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ParameterError("invalid cache name", where="caches", found=repr(name), expected=NAME_RULE)
    if not isinstance(location, StoreUrl) and not system.IS_WINDOWS and PureWindowsPath(location).drive:
        return CacheSettings(Path(location))
    open_cache(location)
    return CacheSettings(absolute_location(read_location(location)))


def _script(server: str, folder: str, cache: str) -> str:
    """Return the publishing script for a site and folder; drafts are made from runs with this cache."""
    text = (TEMPLATE_FOLDER / SCRIPT).read_text(encoding="utf-8")
    for placeholder, value in (("@server@", server), ("@folder@", folder), ("@cache@", cache)):
        text = text.replace(f'"{placeholder}"', repr(value))
    return text


@contextmanager
def _staged_files(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a hidden folder for the files. When the context is left without an error, they are moved to `target`."""
    if not target.is_dir():
        with Staging(target, is_folder=True, overwrite=False) as staging:
            folder = staging.folder / "files"
            folder.mkdir()
            yield folder
            staging.commit(folder)
        return
    with ExitStack() as stack:
        stagings = [stack.enter_context(Staging(target / name, is_folder=False, overwrite=overwrite)) for name in FILES]
        folder = stagings[0].folder
        yield folder
        for name, staging in zip(FILES, stagings, strict=True):
            staging.commit(folder / name)
