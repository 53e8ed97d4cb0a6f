"""What ArcGIS needs to publish the tools as a geoprocessing service: toolbox, settings, and a script that publishes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gptool.cache import open_cache
from gptool.errors import ParameterError, translate_os_errors
from gptool.output.staging import Staging
from gptool.settings import NAME_PATTERN, NAME_RULE, CacheSettings, write_settings

SOURCES = Path(__file__).parent / "toolbox"
"""Where the package keeps the two files that are handed on."""

TOOLBOX, SETTINGS, SCRIPT = "ExportTiles.pyt", "ExportTiles.toml", "publish.py"
SERVICE = "ExportTiles"

SITE = re.compile(r"https?://[^\s/?#@]+(/[^\s/?#@]+)*/?", re.IGNORECASE)
"""A site's address; without a user and a password, which must not get into files."""

PAGES = {"rest", "admin", "manager", "services"}
"""What the addresses of a site's pages have behind that of the site itself."""

FOLDER = re.compile(r"[A-Za-z0-9_]{1,120}")
"""A folder's name, as ArcGIS Server takes it."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What was written.

    Attributes
    ----------
    output : Path
        The folder of toolbox, settings and script.
    url : str
        Where the service will be.
    locations : tuple of Path
        Of the caches.
    """

    output: Path
    url: str
    locations: tuple[Path, ...]

    @property
    def steps(self) -> list[str]:
        """What is left to do by hand."""
        locations = "".join(f"\n       {location}" for location in self.locations)
        return [
            "Install gptool in the Python environment of ArcGIS Server, on every machine of the site, and in that of "
            "the ArcGIS Pro that publishes: in clones of arcgispro-py3, with Python 3.11 or newer. (Its native part is "
            "built on Linux and macOS so far, not on Windows.)",
            "Let ArcGIS Server's account read the caches, and register their folders with the site as data stores:"
            f"{locations}\n   Where the site has them under other paths, state those in {self.output / SETTINGS}.",
            "A site that is federated with a portal: sign in to the portal in ArcGIS Pro, and stay signed in. A site "
            "that stands alone: make a connection file, x.ags, in ArcGIS Pro, for a user who may publish.",
            "Run with the Python of that ArcGIS Pro, x.ags only for a site that stands alone:\n"
            f"       propy {self.output / SCRIPT} [x.ags]",
            f"The service is then {self.url}, with the tasks ExportTiles and EstimateExportTilesSize. After a change "
            "of the settings publish it again.",
        ]


def register(
    server: str,
    folder: str,
    caches: Mapping[str, str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Registration:
    """Write what ArcGIS needs to publish the tools.

    Parameters
    ----------
    server : str
        The address of an ArcGIS Server site, as in `https://gis.example.com/server`.
    folder : str
        The folder of the site that the service goes to.
    caches : mapping of str to path
        The caches that the service offers, by the names it offers them by.
    output : path
        A folder, made where there is none.
    overwrite : bool
        Whether files of these names that are there may be replaced.

    Returns
    -------
    Registration

    Raises
    ------
    ParameterError
        When an address or a name can't be.
    CacheError
        When a cache can't be read.
    OutputError
        When the files can't be written, or are there already.
    """
    server = _checked_server(server)
    if not FOLDER.fullmatch(folder):
        raise ParameterError("a folder's name", where="folder", found=repr(folder), expected="letters, digits and _")
    settings = {name: _checked_cache(name, location) for name, location in caches.items()}
    if not settings:
        raise ParameterError("none are named", where="caches", expected="at least one")
    target = Path(output).absolute()
    with translate_os_errors(target), _placing(target, overwrite=overwrite) as staged:
        shutil.copyfile(SOURCES / TOOLBOX, staged / TOOLBOX)
        write_settings(staged / SETTINGS, settings)
        (staged / SCRIPT).write_text(_script(server, folder, next(iter(settings))), encoding="utf-8")
    url = f"{server}/rest/services/{folder}/{SERVICE}/GPServer"
    return Registration(target, url, tuple(cache.location for cache in settings.values()))


def _checked_server(server: str) -> str:
    """Return a site's address without a slash at its end."""
    if not SITE.fullmatch(server) or PAGES & set(server.lower().split("/")[3:]):
        raise ParameterError(
            "the address of a site",
            where="server",
            found=repr(server.rpartition("@")[2]),
            expected="one such as https://gis.example.com/server, without a user or a page",
        )
    return server.rstrip("/")


def _checked_cache(name: str, location: str | os.PathLike[str]) -> CacheSettings:
    """Return the settings of a cache that can be read, with a location that does not depend on the working folder."""
    if not NAME_PATTERN.fullmatch(name):
        raise ParameterError("a cache's name", where="caches", found=repr(name), expected=NAME_RULE)
    open_cache(location)
    return CacheSettings(Path(location).absolute())


def _script(server: str, folder: str, cache: str) -> str:
    """Return the script that publishes, for this site and with this cache for the runs that drafts are made of."""
    text = (SOURCES / SCRIPT).read_text(encoding="utf-8")
    for place, value in (("@server@", server), ("@folder@", folder), ("@cache@", cache)):
        text = text.replace(f'"{place}"', repr(value))
    return text


@contextmanager
def _placing(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a hidden folder to write the files in; when all are written, they appear in `target`."""
    if not target.is_dir():
        with Staging(target, is_folder=True, overwrite=False) as staging:
            folder = staging.folder / "made"
            folder.mkdir()
            yield folder
            staging.commit(folder)
        return
    names = TOOLBOX, SETTINGS, SCRIPT
    with ExitStack() as stack:
        stagings = [stack.enter_context(Staging(target / name, is_folder=False, overwrite=overwrite)) for name in names]
        folder = stagings[0].folder
        yield folder
        for name, staging in zip(names, stagings, strict=True):
            staging.commit(folder / name)
