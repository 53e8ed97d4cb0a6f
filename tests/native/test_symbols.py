"""The rules of the native sources: one prefix for shared symbols, no mutable state, one exported symbol a module."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gptool import _area, _bundle, _files, _jpeg

NATIVE = Path(__file__).parents[2] / "native"
SOURCES = sorted(NATIVE.glob("*.c"))
HEADERS = sorted(NATIVE.glob("*.h"))

FUNCTION = re.compile(r"^(?!typedef|_Static_assert)(\w[\w \t]*[ *])(\w+)\(", re.MULTILINE)
"""The start of a function's declaration or definition: what precedes the name, and the name."""

VARIABLE = re.compile(r"^(?:[ \t]+(?:static|extern)\b|(?!typedef)\w)[^(){};=]*[;=]", re.MULTILINE)
"""The start of a definition of a variable with static storage, in a function or outside."""

TYPE_OR_ENUMERATOR = re.compile(r"^\} (\w+);|^enum (\w+) |[{,]\s*(\w+) = ", re.MULTILINE)


def code(path: Path) -> str:
    """Return a source without comments and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"^#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)


def test_sources_are_found() -> None:
    assert len(SOURCES) > 5
    assert len(HEADERS) > 5


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_names_in_headers_have_the_prefix(path: Path) -> None:
    names = {name for _, name in FUNCTION.findall(code(path))}
    names |= {name for found in TYPE_OR_ENUMERATOR.findall(code(path)) for name in found if name}
    assert names
    assert {name for name in names if not name.startswith(("gpt_", "GPT_"))} == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_functions_without_the_prefix_are_static(path: Path) -> None:
    functions = FUNCTION.findall(code(path))
    assert functions
    for before, name in functions:
        assert before.startswith("static ") != name.startswith("gpt_"), name


@pytest.mark.parametrize("path", [*SOURCES, *HEADERS], ids=lambda path: path.name)
def test_variables_with_static_storage_are_const(path: Path) -> None:
    for definition in VARIABLE.findall(code(path)):
        assert definition.lstrip().startswith("static const "), definition


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other symbol tables")
@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed")
@pytest.mark.parametrize("module", [_area, _bundle, _files, _jpeg], ids=lambda module: module.__name__)
def test_module_exports_only_its_initialiser(module: ModuleType) -> None:
    assert module.__file__
    command = ["nm", "-D", "--defined-only", module.__file__]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == [f"PyInit_{module.__name__.rpartition('.')[2]}"]
