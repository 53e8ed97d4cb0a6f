"""What `gptool doctor` looks for: what is installed and in use. Any of it may be missing or broken."""

from __future__ import annotations

import ast
import ctypes
import platform
import re
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from gptool import __version__, system
from gptool.errors import MAX_FOUND

DISTRIBUTION = "gptool-export-tiles"
NATIVE_MODULES = "_area", "_bundle", "_files", "_jpeg"
REINSTALL = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"
INSTALL_LIBJPEG = "apt-get install libjpeg-dev (Fedora: dnf install libjpeg-turbo; macOS: brew install jpeg-turbo)"
COMPILE = f"{INSTALL_LIBJPEG}, then {REINSTALL}"
INSTALL_TURBOJPEG = "apt-get install libturbojpeg0-dev (Fedora: dnf install turbojpeg; macOS: brew install jpeg-turbo)"

MODULES = {"pillow": "PIL", "pillow-simd": "PIL", "PyTurboJPEG": "turbojpeg"}
"""The modules of distributions that have another name."""

PILLOWS = "pillow-simd", "pillow"
"""The distributions of the module PIL. The first is faster; either will do."""

EXTRAS = "areas", "cluster", "png", "service"
"""The extras for users; the others are for the development of gptool."""

REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*\(?([^;)]*)\)?(?:;(.*))?")
EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")
PLATFORM = re.compile(r"sys_platform\s*([=!]=)\s*['\"](\w+)['\"]")
BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")

LIBJPEG_TURBO = re.compile(rb"libjpeg-turbo version ([\w.]+)")
"""A text in the libraries of libjpeg-turbo, which have no function that returns it."""


class State(StrEnum):
    """The state of what is checked; what is optional may be absent."""

    OK = "ok"
    FAILED = "failed"
    ABSENT = "absent"


class Check(NamedTuple):
    """What was found.

    Attributes
    ----------
    name : str
    state : State
    found : str
        Versions and paths, or what is wrong.
    fix : str or None
        A command that installs what is missing.
    """

    name: str
    state: State
    found: str
    fix: str | None = None


class Requirement(NamedTuple):
    """A distribution that gptool requires: its name, its versions, and the extra that requires it, if any."""

    name: str
    versions: str
    extra: str | None


def run_check(name: str, check: Callable[[], str], fix: str | None = None) -> Check:
    """Return what a function has found, or the exception that it raises: it may be any, of any library."""
    try:
        return Check(name, State.OK, check())
    except Exception as error:
        text = " ".join(str(error).split())[:MAX_FOUND]  # some libraries explain themselves at length
        return Check(name, State.FAILED, f"{type(error).__name__}: {text}", fix)


def check_environment() -> Iterator[Check]:
    """Yield what is found of gptool, its native modules, the libraries that it needs, and its extras."""
    yield run_check("Python", lambda: f"{platform.python_version()}, {platform.platform()}, {sys.executable}")
    yield run_check("gptool", _gptool, REINSTALL)
    for name in NATIVE_MODULES:
        yield run_check(f"gptool.{name}", partial(_native, f"gptool.{name}"), REINSTALL)
    has_system_packages = not system.IS_WINDOWS
    yield run_check("libjpeg-turbo of gptool._jpeg", _libjpeg, COMPILE if has_system_packages else REINSTALL)
    yield run_check("libjpeg-turbo of PyTurboJPEG", _turbojpeg, INSTALL_TURBOJPEG if has_system_packages else REINSTALL)
    requirements = read_requirements()
    for requirement in requirements:
        if requirement.extra is None:
            yield check_requirement(requirement)
    yield run_check("PROJ", _proj, "pip install --force-reinstall --no-deps pyproj")
    yield run_check("GEOS", _geos, "pip install --force-reinstall --no-deps shapely")
    for extra in EXTRAS:
        required = [requirement for requirement in requirements if requirement.extra == extra]
        if required:  # none without metadata
            yield _check_extra(extra, required)


def read_requirements() -> list[Requirement]:
    """Return what the metadata of the installed gptool require on this system, nothing if there are none."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for match in filter(None, map(REQUIREMENT.fullmatch, lines)):
        marker = match[3] or ""
        extra, platforms = EXTRA.search(marker), PLATFORM.findall(marker)
        is_met = all((sys.platform == name) == (sign == "==") for sign, name in platforms)
        if is_met and match[1] != DISTRIBUTION:  # an extra may contain another one
            found.append(Requirement(match[1], match[2].strip(), extra[1] if extra else None))
    return found


def check_requirement(requirement: Requirement) -> Check:
    """Return whether a distribution is installed in one of the required versions, and can be imported."""
    names = PILLOWS if requirement.name in PILLOWS else (requirement.name,)
    installed = {name: version for name in names if (version := _version(name)) is not None}
    fix = f"{_pip()} '{requirement.name}{requirement.versions}'"
    if not installed:
        return Check(requirement.name, State.FAILED, "not installed", fix)
    name, version = next(iter(installed.items()))
    if name == requirement.name and not _is_within(version, requirement.versions):
        return Check(name, State.FAILED, f"{version}, not {requirement.versions}", fix)
    if len(installed) > 1:
        both = " and ".join(f"{name} {version}" for name, version in installed.items())
        return Check(name, State.FAILED, f"{both} overwrite each other's files", f"pip uninstall {names[-1]}; {fix}")
    return run_check(name, lambda: _describe(version, _module(MODULES.get(requirement.name, requirement.name))), fix)


def _pip() -> str:
    """Return the start of a command that installs a package. In ArcGIS's Python it leaves all other packages alone."""
    return "pip install" if find_spec("arcpy") is None else "python -m pip install --no-deps"


def _check_extra(extra: str, requirements: list[Requirement]) -> Check:
    missing = [requirement.name for requirement in requirements if _version(requirement.name) is None]
    if missing:
        fix = f"{_pip()} '{DISTRIBUTION}[{extra}]'"
        return Check(f"extra {extra}", State.ABSENT, f"not installed: {', '.join(missing)}", fix)
    return Check(f"extra {extra}", State.OK, ", ".join(f"{item.name} {_version(item.name)}" for item in requirements))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _is_within(version: str, versions: str) -> bool:
    """Return True if the numbers at the start of a version are within its bounds."""
    start = re.match(r"\d+(?:\.\d+)*", version)
    found = _numbers(start[0]) if start else ()
    return all((found >= _numbers(bound)) == (sign == ">=") for sign, bound in BOUND.findall(versions))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _module(name: str) -> Any:
    return import_module(name)


def _describe(version: str, module: Any) -> str:
    """Return the version and the place of a module; of PIL, also the libjpeg-turbo that it uses."""
    found = f"{version}, {Path(module.__file__).parent}"
    if module.__name__ == "PIL":
        found += f", libjpeg-turbo {_module('PIL.features').version('libjpeg_turbo') or 'not used'}"
    return found


def _gptool() -> str:
    installed = _version(DISTRIBUTION)
    if installed is None:
        raise ValueError(f"the metadata of {DISTRIBUTION} were not found: its requirements are unknown")
    place = Path(__file__).parents[1]
    if installed != __version__:
        raise ValueError(f"{place} is of version {__version__}, but {installed} is installed")
    return f"{installed}, {place}"


def _libjpeg() -> str:
    """Return the versions of libjpeg-turbo that the native core was compiled with and runs with."""
    core = _module("gptool._jpeg")
    try:
        path = system.library_path(ctypes.CDLL(core.__file__).jpeg_std_error)
    except AttributeError:
        return f"{core.LIBJPEG_TURBO_VERSION}, in the module itself"
    return f"{_library_version(path)}, {path}, compiled with {core.LIBJPEG_TURBO_VERSION}"


def _turbojpeg() -> str:
    path = system.library_path(_module("gptool.jpeg.pixels").library_function())
    return f"{_library_version(path)}, {path}"


def _proj() -> str:
    pyproj = _module("pyproj")
    pyproj.CRS.from_epsg(3857)  # needs its database
    return f"{pyproj.proj_version_str}, {_module('pyproj.datadir').get_data_dir()}"


def _native(name: str) -> str:
    """Return the path of a native module, which has all names that its stub declares."""
    module = _module(name)
    stub = ast.parse(Path(module.__file__).with_name(f"{name.rpartition('.')[2]}.pyi").read_text(encoding="utf-8"))
    missing = [declared for declared in _declared(stub) if not hasattr(module, declared)]
    if missing:
        raise ValueError(f"{module.__file__} is of another version: it has no {', '.join(missing)}")
    return str(module.__file__)


def _declared(stub: ast.Module) -> Iterator[str]:
    """Yield the public names of functions, classes and constants that a stub declares."""
    for node in stub.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is None:
            yield node.target.id


def _geos() -> str:
    return str(_module("shapely").geos_version_string)


def _library_version(path: Path) -> str:
    found = LIBJPEG_TURBO.search(path.read_bytes())
    return found[1].decode() if found else "unknown version"
