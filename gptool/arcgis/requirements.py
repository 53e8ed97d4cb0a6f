"""The libraries without which the tools cannot run."""

from __future__ import annotations

from importlib.util import find_spec

MODULES = "PIL", "isal", "lxml", "numpy", "pyproj", "shapely", "turbojpeg"
"""The modules that the operation imports, some of them only when it needs them."""


def check_modules() -> None:
    """Raise ImportError, which names them, if modules are not installed: a toolbox says so before it is used."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise ImportError(f"missing modules: {', '.join(missing)}")
