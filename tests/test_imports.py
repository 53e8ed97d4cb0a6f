"""The layout of the package: what may import what, and the names that stay importable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

import gptool
from gptool import _bundle, _jpeg
from helpers.import_rules import Package, imports_of_tests

TESTS = Path(__file__).parent

STAGES = (
    ("errors", "system"),
    ("model", "text"),
    ("_area", "_bundle", "_files", "_jpeg"),
    ("crs", "display", "png", "settings"),
    ("cache", "request"),
    ("jpeg", "plan", "verification"),
    ("output",),
    ("export",),
    ("delta",),
    ("jobs", "samples"),
    ("tool",),
    ("arcgis", "batch", "demo", "service"),
    ("qgis",),
    ("cli", "esri"),
    ("__main__",),
    ("",),
)
"""The parts of the package from the lowest to the highest; the last is the package itself, which offers their names."""

VERSION = "gptool.__version__"
"""The one name that all parts may import of the package itself."""

MAX_DIRECT_MODULES = 7

PLACES = {
    "PIL": ["output"],
    "click": ["cli"],
    "distributed": ["export"],
    "jinja2": ["service"],
    "obstore": ["cache"],
    "oxipng": ["png"],
    "prometheus_client": ["service"],
    "pyogrio": ["request"],
    "pyproj": ["crs"],
    "rich": ["cli", "display"],
    "shapely": ["crs", "request"],
    "python_multipart": ["service"],
    "starlette": ["service"],
    "turbojpeg": ["jpeg"],
    "uvicorn": ["service"],
}
"""Libraries that take long to import, or that only one part should know, and the parts that may import them."""

SELECTION = ("levels", "export_by", "export_extent", "area_of_interest", "storage_format_type", "compression_quality")
PARAMETERS = {
    "apply": ("base", "delta", "output", "in_place", "storage_format_type", "overwrite", "workers", "progress"),
    "diff": ("old", "new", "delta", "trust_indexes", "overwrite", "workers", "progress"),
    "open_cache": ("location",),
    "export_tiles": (
        *("cache", "output", *SELECTION, "tables"),
        *("max_export_tiles_count", "overwrite", "workers", "progress"),
    ),
    "estimate_export_tiles_size": ("cache", *SELECTION, "tables"),
    "export_tiles_job": ("parameters", "cache", "output_directory", "max_export_tiles_count"),
    "info": ("location",),
    "sample_compressions": ("cache", "qualities", "count", *SELECTION[:-1], "tables"),
    "verify": ("location", "clients", "tiles", "source"),
}
"""The public functions, and the parameters that they have in any case."""

NATIVE = {
    _bundle: ("TileKind", "inspect", "pack", "read_index_v1", "read_index_v2"),
    _jpeg: (
        *("Outcome", "diagnose", "huffman_table", "qualities"),
        *("quality", "recompress", "recompress_batch", "check_batch", "compare_batch"),
    ),
}

LAYOUT = {
    "__init__.py": "from pkg.high.a import x",
    "low.py": "",
    "high/__init__.py": "",
    "high/a.py": "from pkg.high import b\nimport numpy\n",
    "high/b.py": "from pkg import low, __version__",
    "high/c.pyt": "from ..low import y",
}
"""A package that keeps all rules for `low` below `high`."""


@pytest.fixture(scope="module")
def package() -> Package:
    return Package(Path(gptool.__file__).parent)


def make_package(folder: Path, changes: Mapping[str, str]) -> Package:
    """Return the package `pkg` of the layout, with some of its files replaced or added."""
    for name, text in {**LAYOUT, **changes}.items():
        path = folder / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Package(folder / "pkg")


def upward_imports(package: Package, *stages: list[str]) -> list[str]:
    """Return what leads upwards in a package like that of the layout."""
    return package.upward_imports(stages or (["low"], ["high"], [""]), ["pkg.__version__"])


class TestPackage:
    def test_imports_lead_to_lower_stages_only(self, package: Package) -> None:
        assert package.upward_imports(STAGES, [VERSION]) == []

    def test_no_modules_import_each_other(self, package: Package) -> None:
        assert package.cycles() == []

    def test_libraries_are_imported_where_they_belong(self, package: Package) -> None:
        assert package.misplaced_imports(PLACES) == []
        imported = {found.imported.partition(".")[0] for found in package.imports}
        assert PLACES.keys() <= imported, "the rules name libraries that nothing imports"

    def test_few_modules_lie_directly_in_the_package(self, package: Package) -> None:
        assert len(package.direct_modules) <= MAX_DIRECT_MODULES, package.direct_modules


class TestRules:
    """Each rule finds what breaks it."""

    def test_proper_package_has_no_faults(self, tmp_path: Path) -> None:
        package = make_package(tmp_path, {})
        assert upward_imports(package) == package.cycles() == package.misplaced_imports({"numpy": ["high"]}) == []
        assert package.direct_modules == ["__init__", "low"]

    @pytest.mark.parametrize(
        ("name", "text", "fault"),
        [
            ("low.py", "import pkg.high", "pkg.low:1 imports pkg.high"),
            ("low.py", "from pkg.high.b import z", "pkg.low:1 imports pkg.high.b.z"),
            ("low.py", "from .high.b import z", "pkg.low:1 imports pkg.high.b.z"),
            ("low.py", "def f():\n    from pkg import high", "pkg.low:2 imports pkg.high"),
            ("low.py", "if TYPE_CHECKING:\n    from pkg.high import b", "pkg.low:2 imports pkg.high.b"),
            ("low.py", "import_module('pkg.high.b')", "pkg.low:1 imports pkg.high.b"),
            ("low.pyi", "from pkg.high import b", "pkg.low:1 imports pkg.high.b"),
            ("high/c.pyt", "from pkg import export", "pkg.high.c:1 imports pkg.export"),
            ("other.py", "", "other has no stage"),
        ],
        ids=[
            *("import", "name", "relative import", "import in a function", "import for type checking"),
            *("import by name", "import in a stub", "name of the package", "part without a stage"),
        ],
    )
    def test_upward_import_is_found(self, tmp_path: Path, name: str, text: str, fault: str) -> None:
        assert upward_imports(make_package(tmp_path, {name: text})) == [fault]

    def test_import_within_a_stage_is_found(self, tmp_path: Path) -> None:
        package = make_package(tmp_path, {"next/__init__.py": "import pkg.low", "low.py": "import pkg.next"})
        faults = ["pkg.low:1 imports pkg.next", "pkg.next:1 imports pkg.low"]
        assert upward_imports(package, ["low", "next"], ["high"], [""]) == faults

    def test_cycle_is_found(self, tmp_path: Path) -> None:
        [fault] = make_package(tmp_path, {"high/b.py": "def f():\n    from pkg.high.a import x"}).cycles()
        assert {*fault.split(" <- ")} == {"pkg.high.a", "pkg.high.b"}

    def test_misplaced_library_is_found(self, tmp_path: Path) -> None:
        package = make_package(tmp_path, {"low.py": "def f():\n    from numpy.typing import NDArray"})
        faults = ["pkg.low:2 imports numpy.typing.NDArray"]
        assert package.misplaced_imports({"numpy": ["high"]}) == faults

    @pytest.mark.parametrize(
        "text", ["from test_a import f", "import tests.cache.test_a", "from .test_a import f", "from conftest import f"]
    )
    def test_import_of_a_test_module_is_found(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "test_b.py").write_text(f"import pytest\n{text}\n")
        [fault] = imports_of_tests(tmp_path, tmp_path.glob("*.py"))
        assert ":2 imports " in fault


def test_no_module_imports_from_a_test_module() -> None:
    files = [path for path in TESTS.rglob("*.py") if "environment" not in path.relative_to(TESTS).parts]
    assert Path(__file__) in files
    assert imports_of_tests(TESTS, files) == []


class TestPublicSurface:
    @pytest.mark.parametrize("name", PARAMETERS)
    def test_function_has_its_parameters(self, name: str) -> None:
        function: Callable[..., object] = getattr(gptool, name)
        assert {*PARAMETERS[name]} <= {*signature(function).parameters}

    @pytest.mark.parametrize(
        "name", ["ApplyResult", "DiffResult", "Estimate", "ExportResult", "Job", "TileCache", "errors"]
    )
    def test_other_names_are_importable(self, name: str) -> None:
        assert name in gptool.__all__
        assert getattr(gptool, name) is not None

    @pytest.mark.parametrize("module", NATIVE, ids=lambda module: module.__name__)
    def test_native_names_are_importable(self, module: object) -> None:
        assert all(hasattr(module, name) for name in NATIVE[module])  # type: ignore[index]

    def test_native_modules_are_importable_by_name(self) -> None:
        assert import_module("gptool._jpeg") is _jpeg
        assert import_module("gptool._bundle") is _bundle
