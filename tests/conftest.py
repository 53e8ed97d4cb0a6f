"""Fixtures, and the reasons for which tests are skipped."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from gptool.cache.object_client import make_client
from helpers.arcpy_stand_in import ArcPy, forget_arcpy
from helpers.caches import make_cache, make_wide_cache, world
from helpers.gate import Gate
from helpers.object_server import ObjectServer, object_server
from helpers.qgis import Qgis, find_qgis
from helpers.service_process import ServiceProcess

# The time of an example depends on the machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SAMPLES = Path(os.environ.get("GPTOOL_SAMPLES", Path(__file__).parents[2] / "shared" / "samples")).absolute()
MAPPROXY = Path(__file__).parent / "mapproxy" / "environment" / "bin" / "python"
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CLIENTS = Path(__file__).parent / "clients" / "environment"
POSIX_FIXTURES = {"browser", "clients", "mapproxy", "qgis"}
"""Fixtures of programs that are installed here for POSIX."""

PILLOW = "pillow" if sys.platform == "win32" else "pillow-simd"
VERSIONS = ("numpy", "lxml", PILLOW, "PyTurboJPEG", "pyproj", "shapely", "rasterio", "tpkutils")


def pytest_report_header() -> list[str]:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    return [
        f"gptool on {platform.machine()}: {versions}",
        f"real caches: {'found' if SAMPLES.is_dir() else 'not found, their tests are skipped'}",
        f"MapProxy: {'found' if MAPPROXY.exists() else 'not found, its tests are skipped (see tests/mapproxy)'}",
        f"Chromium: {'found' if CHROMIUM.exists() else 'not found, tests of pages in a browser are skipped'}",
        f"clients: {'found' if CLIENTS.exists() else 'not found, their tests are skipped (see tests/clients)'}",
        f"QGIS: {'found' if find_qgis() else 'not found, its tests are skipped (apt-get install qgis python3-qgis)'}",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform != "win32":
        return
    for item in items:
        for fixture in POSIX_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.posix(f"the fixture {fixture}"))
        if marker := item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason=f"needs {marker.args[0]}"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compact V2 JPEG cache: all tiles of levels 0-2, and a square of level 8 in four bundles."""
    return make_cache(tmp_path_factory.mktemp("caches") / "world", world())


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """An open gate for the batches of this process and of processes that it starts."""
    gate = Gate(tmp_path_factory.mktemp("gate") / "gate")
    gate.install(monkeypatch)
    yield gate
    gate.open()


@pytest.fixture
def arcpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArcPy:
    """A stand-in for arcpy, which is imported under that name; arcpy itself needs ArcGIS."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    stand_in = ArcPy(scratch)
    stand_in.site.folder = tmp_path / "site"
    monkeypatch.setitem(sys.modules, "arcpy", stand_in)
    forget_arcpy()
    return stand_in


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real caches."""
    if not SAMPLES.is_dir():
        pytest.skip("no folder of real caches (set GPTOOL_SAMPLES)")
    return SAMPLES


@pytest.fixture(scope="session")
def mapproxy() -> Path:
    """The Python interpreter of MapProxy's environment."""
    if not MAPPROXY.exists():
        pytest.skip("MapProxy is not installed: run tests/mapproxy/make_environment")
    return MAPPROXY


@pytest.fixture(scope="session")
def qgis(tmp_path_factory: pytest.TempPathFactory) -> Qgis:
    """QGIS with the plugin."""
    program = find_qgis()
    if program is None:
        pytest.skip("QGIS is not installed: apt-get install --no-install-recommends qgis python3-qgis")
    return Qgis(program, tmp_path_factory.mktemp("qgis"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one module: no other event loop can run meanwhile."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra browser)")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a window of desktop size."""
    from helpers.browser import DESKTOP, opened

    with opened(browser, DESKTOP) as page:
        yield page


@pytest.fixture(scope="session")
def clients() -> Path:
    """The environment of ArcGIS's clients."""
    if not CLIENTS.exists():
        pytest.skip("the clients are not installed: run tests/clients/make_environment")
    return CLIENTS


@pytest.fixture(scope="session")
def served_caches(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Caches by service name; Wide has a million tiles."""
    wide = make_wide_cache(tmp_path_factory.mktemp("caches") / "wide", 10)
    return {"World": cache, "Maps/World": cache, "Few": cache, "Wide": wide}


@pytest.fixture(scope="session")
def service_gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The gate of the service's workers. Tests that close it must open it again."""
    return Gate(tmp_path_factory.mktemp("gate") / "gate")


@pytest.fixture(scope="session")
def service(
    served_caches: dict[str, Path], service_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A service of these caches; the limit of Few is nine tiles."""
    folder = tmp_path_factory.mktemp("service")
    config = "".join(
        f'[caches."{name}"]\nlocation = {json.dumps(str(path))}\n'
        f"maxExportTilesCount = {9 if name == 'Few' else 2_000_000}\n"
        for name, path in served_caches.items()
    )
    (folder / "service.toml").write_text(config)
    with ServiceProcess(folder, "--config", "service.toml", environment=service_gate.environment) as process:
        yield process


@pytest.fixture
def store_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """A server of the bucket `tiles`, which is also where S3 is."""
    pytest.importorskip("obstore", reason="obstore is not installed (the extra cloud)")
    (tmp_path / "server" / "tiles").mkdir(parents=True)
    with object_server(tmp_path / "server") as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        make_client.cache_clear()
        yield running
    make_client.cache_clear()


@pytest.fixture
def bucket(store_server: ObjectServer) -> Path:
    """The folder of the bucket of the server."""
    return store_server.root / "tiles"
