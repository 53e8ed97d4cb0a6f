"""Find libjpeg-turbo and declare the native extensions; everything else is in pyproject.toml."""

import os
import shlex
import subprocess
import sys
import tempfile
from glob import glob
from sysconfig import get_path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.errors import CCompilerError, DistutilsError
from setuptools._distutils.sysconfig import customize_compiler

STABLE_ABI = "0x030B0000"
"""The modules use the stable ABI of this version of Python, 3.11, and so run with it and all later ones."""

MISSING = """\
gptool needs libjpeg-turbo (shared library and headers), Python's headers and a C compiler; the error was:
    {reason}
    Debian, Ubuntu:  apt-get install build-essential pkg-config libjpeg-dev python3-dev
    Fedora:          dnf install gcc pkgconf-pkg-config libjpeg-turbo-devel python3-devel
    macOS:           xcode-select --install; brew install pkg-config jpeg-turbo
                     export PKG_CONFIG_PATH="$(brew --prefix jpeg-turbo)/lib/pkgconfig"
"""

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


def libjpeg_flags():
    """Return compiler flags and linker flags from pkg-config, or the defaults without it."""
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
    compile_flags, link_flags = libjpeg_flags()
    check_libjpeg(compile_flags, link_flags)
    headers = [*glob("native/*.h"), *glob("native/*.pxd")]
    compile_args = ["-std=c11", "-O3", "-fvisibility=hidden", *compile_flags]
    options = {
        "include_dirs": ["native"],
        "depends": headers,
        "extra_compile_args": compile_args,
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


setup(
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    ext_modules=cythonize(
        extensions(), include_path=["native"], build_dir="build/cython", compiler_directives={"language_level": 3}
    )
)
