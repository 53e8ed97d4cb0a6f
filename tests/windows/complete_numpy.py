"""Give a copy of NumPy the functions of complex numbers that Wine 8 lacks: complete_numpy.py SITE_PACKAGES.

NumPy from 2.1 imports them from ucrtbase.dll, which has them on Windows. The copy imports them from a library of ours
that is compiled here, and passes all other functions on. Only for tests: it says nothing about NumPy on Windows.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pefile

IMPORTED = b"api-ms-win-crt-math-l1-1-0.dll"
LIBRARY = b"crtmath.dll"
COMPILER = "x86_64-w64-mingw32-gcc", "-shared", "-static-libgcc", "-O2", "-s"
COMPLEX = "abs acos acosh arg asin asinh atan atanh cos cosh exp imag log pow real sin sinh sqrt tan tanh"
MISSING = {"creal", "crealf"}
"""Functions without which NumPy cannot be imported: earlier versions do not need them."""

COMPLEX_NAMES = {f"c{name}{suffix}" for name in COMPLEX.split() for suffix in ("", "f")}


def imported_names(module: Path) -> set[str]:
    """Return the names that a module imports from the library of mathematical functions."""
    libraries = getattr(pefile.PE(module), "DIRECTORY_ENTRY_IMPORT", [])
    return {item.name.decode() for library in libraries if library.dll == IMPORTED for item in library.imports}


def main(site: Path) -> None:
    """Compile the library and let the modules import it."""
    modules = [path for path in [*site.glob("numpy/**/*.pyd"), *site.glob("numpy.libs/*.dll")] if imported_names(path)]
    names = set[str]().union(*map(imported_names, modules))
    if not names & MISSING:
        return
    own = names & COMPLEX_NAMES
    exports = [name if name in own else f"{name}=ucrtbase.{name}" for name in sorted(names)]
    definition, source, library = (site / "numpy.libs" / f"crtmath.{suffix}" for suffix in ("def", "c", "dll"))
    definition.write_text("\n".join(["LIBRARY crtmath.dll", "EXPORTS", *exports, ""]))
    uses = "".join(f"void *keep_{name} = (void *){name};\n" for name in sorted(own))
    source.write_text(f"#include <complex.h>\n{uses}")
    subprocess.run([*COMPILER, "-o", library, source, definition], check=True)
    for module in modules:
        name = LIBRARY.ljust(len(IMPORTED), b"\0")
        module.write_bytes(module.read_bytes().replace(IMPORTED + b"\0", name + b"\0"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
