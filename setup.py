"""Find libjpeg-turbo and declare the native extensions; everything else is in pyproject.toml.

By default the modules are linked with the libjpeg-turbo of the system. If JPEG_ROOT names the folder that one was
installed in, they are linked with that one, statically if it has a static library; its libturbojpeg, which PyTurboJPEG
loads, goes into the wheel with its licence. On Windows such a folder is looked for in conda's environment and in vcpkg.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from glob import glob
from pathlib import Path
from sysconfig import get_path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.errors import CCompilerError, DistutilsError
from setuptools._distutils.sysconfig import customize_compiler
from setuptools.command.build_py import build_py

STABLE_ABI = "0x030B0000"
"""The modules use the stable ABI of this version of Python, 3.11, and so run with it and all later ones."""

MISSING = """\
gptool needs libjpeg-turbo (shared library and headers), Python's headers and a C compiler; the error was:
    {reason}
    Debian, Ubuntu:  apt-get install build-essential pkg-config libjpeg-dev python3-dev
    Fedora:          dnf install gcc pkgconf-pkg-config libjpeg-turbo-devel python3-devel
    macOS:           xcode-select --install; brew install pkg-config jpeg-turbo
                     export PKG_CONFIG_PATH="$(brew --prefix jpeg-turbo)/lib/pkgconfig"
    Windows:         conda install -c conda-forge libjpeg-turbo, or vcpkg install libjpeg-turbo; for one elsewhere
                     set JPEG_ROOT=FOLDER, so that FOLDER\\include\\jpeglib.h exists
"""

STATIC_LIBRARIES = "libjpeg.a", "jpeg-static.lib", "jpeg.lib"
"""Names in the folder `lib` of a JPEG_ROOT; the last is that of vcpkg's static triplets, and of import libraries."""

SHIPPED_FILES = (
    *("bin/*turbojpeg.dll", "lib/libturbojpeg.so", "lib/libturbojpeg.dylib"),
    *("share/doc/libjpeg-turbo/LICENSE.md", "share/doc/libjpeg-turbo/README.ijg", "share/libjpeg-turbo/copyright"),
)
"""Files of a JPEG_ROOT that go into the folder gptool/libjpeg_turbo of a wheel."""

# Checks what pkg-config can't: that headers and library exist, match, and are those of libjpeg-turbo.
TEST_PROGRAM = """\
#include <Python.h>
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
#ifndef LIBJPEG_TURBO_VERSION
#error "these headers are not libjpeg-turbo's"
#endif
int main(void)
{
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct source;

    source.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&source);
    jpeg_destroy_decompress(&source);
    return 0;
}
"""


def jpeg_root():
    """Return the folder of the libjpeg-turbo to link with, or None for that of the system."""
    if os.environ.get("JPEG_ROOT"):
        return Path(os.environ["JPEG_ROOT"])
    if sys.platform != "win32":
        return None
    triplets = Path(os.environ.get("VCPKG_ROOT", "nowhere")).glob("installed/x64-windows*")
    found = [Path(os.environ.get("CONDA_PREFIX", sys.prefix), "Library"), *sorted(triplets, reverse=True)]
    root = next((folder for folder in found if (folder / "include" / "jpeglib.h").exists()), None)
    if root is None:
        sys.exit(MISSING.format(reason="no jpeglib.h in conda's environment, nor in VCPKG_ROOT; JPEG_ROOT is not set"))
    return root


def libjpeg_flags(root):
    """Return compiler flags and linker flags: for a JPEG_ROOT, or from pkg-config, or the defaults without it."""
    if root is not None:
        library = next((root / "lib" / name for name in STATIC_LIBRARIES if (root / "lib" / name).exists()), None)
        return [f"-I{root / 'include'}"], [str(library)] if library else [f"-L{root / 'lib'}", "-ljpeg"]
    try:
        flags = [
            subprocess.run(["pkg-config", option, "libjpeg"], check=True, capture_output=True, text=True).stdout
            for option in ("--cflags", "--libs")
        ]
    except (OSError, subprocess.CalledProcessError):
        return [], ["-ljpeg"]
    return [shlex.split(line) for line in flags]


def check_libjpeg(compile_flags, link_flags):
    """Build a program with libjpeg-turbo; if that fails, exit with one message that names the packages."""
    compiler = new_compiler()
    customize_compiler(compiler)
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "program.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(TEST_PROGRAM)
        try:
            objects = compiler.compile(
                [source], output_dir=folder, extra_preargs=[f"-I{get_path('include')}", *compile_flags]
            )
            flags = shlex.split(f"{os.environ.get('CFLAGS', '')} {os.environ.get('LDFLAGS', '')}")
            program = os.path.join(folder, "program")
            compiler.link_executable(objects, program, extra_preargs=flags, extra_postargs=link_flags)
        except (CCompilerError, DistutilsError) as error:
            sys.exit(MISSING.format(reason=error))


def extensions():
    """Return the native extensions."""
    compile_flags, link_flags = libjpeg_flags(jpeg_root())
    check_libjpeg(compile_flags, link_flags)
    headers = [*glob("native/*.h"), *glob("native/*.pxd")]
    is_msvc = new_compiler().compiler_type == "msvc"
    compile_args = ["/std:c11", "/O2"] if is_msvc else ["-std=c11", "-O3", "-fvisibility=hidden"]
    options = {
        "include_dirs": ["native"],
        "depends": headers,
        "extra_compile_args": [*compile_args, *compile_flags],
        "define_macros": [("Py_LIMITED_API", STABLE_ABI)],
        "py_limited_api": True,
    }
    system = "native/system.c"
    jpeg_sources = ["native/_jpeg.pyx", *sorted({*glob("native/*.c")} - {system})]
    return [
        Extension("gptool._area", ["native/_area.pyx"], **options),
        Extension("gptool._bundle", ["native/_bundle.pyx"], **options),
        Extension("gptool._files", ["native/_files.pyx", system], **options),
        Extension("gptool._jpeg", jpeg_sources, extra_link_args=link_flags, **options),
    ]


class BuildModules(build_py):
    """Also copies the libturbojpeg of a JPEG_ROOT, which PyTurboJPEG loads, and its licence."""

    def run(self):
        """Copy the modules and the files."""
        super().run()
        root = jpeg_root()
        for pattern in SHIPPED_FILES if root else ():
            for path in root.glob(pattern):
                target = Path(self.build_lib, "gptool", "libjpeg_turbo", path.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


setup(
    cmdclass={"build_py": BuildModules},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    ext_modules=cythonize(
        extensions(), include_path=["native"], build_dir="build/cython", compiler_directives={"language_level": 3}
    ),
)
