"""@arcgis/core in a page of another origin: it shows tiles and exports them, if the service allows the origin."""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gptool import open_cache
from gptool.demo import make_cache
from gptool.service.users import add_user
from gptool.tool import export_tiles_job
from helpers.service_process import ServiceProcess

pytest.importorskip("playwright", reason="playwright is not installed (the extra browser)")
from playwright.sync_api import Browser

SCRIPT = Path(__file__).parents[1] / "clients" / "arcgis_core.js"
MODULES = SCRIPT.parent / "environment" / "node_modules"
TIMEOUT = 180
COLOURS_WITHOUT_TILES = 10
"""The most colours of a map without tiles: its background, and the text at its edge."""
PAGE = '<!doctype html><title>Map</title><div id="map" style="height: 300px"></div><script src="page.js"></script>'
PARAMETERS = {"levels": "0-2", "tilePackage": True}

pytestmark = [
    pytest.mark.posix("esbuild and Chromium of the environment of the clients"),
    pytest.mark.skipif(
        not (MODULES / "@arcgis" / "core").is_dir(),
        reason="@arcgis/core is not installed in the environment of the clients (needs node and npm)",
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page that loads the bundled script, and the assets of @arcgis/core."""
    folder = tmp_path_factory.mktemp("site")
    bundle = [MODULES / ".bin" / "esbuild", SCRIPT, "--bundle", "--format=iife", f"--outfile={folder / 'page.js'}"]
    completed = subprocess.run(bundle, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert completed.returncode == 0, completed.stderr
    (folder / "index.html").write_text(PAGE)
    (folder / "assets").symlink_to(MODULES / "@arcgis" / "core" / "assets")
    return folder


@contextmanager
def origin(site: Path) -> Iterator[str]:
    """Serve the folder, and return its origin."""
    handler = partial(QuietHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def use_service(
    browser: Browser, page_origin: str, service: ServiceProcess, login: dict[str, str] | None = None
) -> dict[str, Any]:
    page = browser.new_page()
    page.goto(page_origin)
    if login:
        page.evaluate("([url, login]) => logIn(url, login)", [service.url, login])
    parameters = {"cache": "World", **PARAMETERS}
    call = "([url, parameters]) => useService(url, parameters)"
    results: dict[str, Any] = page.evaluate(call, [service.url, parameters])
    page.close()
    return results


def test_page_of_an_allowed_origin_shows_and_exports_tiles(browser: Browser, site: Path, tmp_path: Path) -> None:
    cache = tmp_path / "world"
    make_cache(cache)
    direct = export_tiles_job(
        PARAMETERS, cache=cache, output_directory=tmp_path, max_export_tiles_count=None, service="World"
    )
    package = Path(direct.result("out_service_url")["value"]) / "World.tpkx"
    with (
        origin(site) as allowed,
        origin(site) as other,
        ServiceProcess(
            tmp_path, f"World={cache}", "--allow-origin", allowed, "--access-log", tmp_path / "access"
        ) as service,
    ):
        results = use_service(browser, allowed, service)
        refused = use_service(browser, other, service)
        jobs = service.log().count("starts:")
    scheme = open_cache(cache).scheme
    expected = {"levels": len(scheme.lods), "width": scheme.tile_columns, "height": scheme.tile_rows}
    for layer in ("tileLayer", "imageryTileLayer"):
        assert results[layer].pop("colours", 0) > COLOURS_WITHOUT_TILES, results
        assert results[layer] == expected
    assert results["export"].get("status") == "job-succeeded", results
    assert results["export"]["sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert results["export"]["disposition"] == 'attachment; filename="World.tpkx"'
    assert all(result["error"] for result in refused.values()), refused
    assert jobs == 1
    asked = re.findall(r"World/MapServer/tilemap/\S+ (\d+) ", (tmp_path / "access").read_text())
    assert set(asked) == {"200"}, "the layer knows by the tilemap which tiles exist"


def test_page_logs_in_with_name_and_password(browser: Browser, site: Path, cache: Path, tmp_path: Path) -> None:
    login = {"username": "anna", "password": "correct horse battery"}
    add_user(tmp_path / "users", login["username"], login["password"])
    options = ["--user-file", tmp_path / "users", "--allow-origin"]
    with origin(site) as allowed, ServiceProcess(tmp_path, f"World={cache}", *options, allowed) as service:
        results = use_service(browser, allowed, service, login)
    assert "error" not in results["tileLayer"], results
    assert "error" not in results["imageryTileLayer"], results
    assert results["export"].get("status") == "job-succeeded", results
