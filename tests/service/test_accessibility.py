"""Accessibility of the service's pages: axe-core finds no violation of its rules, in both colour schemes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gptool.demo import make_cache as make_world
from helpers.service_process import ServiceProcess

pytest.importorskip("playwright", reason="playwright is not installed (the extra browser)")
from playwright.sync_api import Browser, expect

from helpers.axe import needs_axe, violations
from helpers.browser import DESKTOP, PHONE, ended_status, opened

pytestmark = needs_axe

PAGES = (
    "/services",
    "/services/World/ImageServer",
    "/services/World/ImageServer/exportTiles",
    "/services/ExportTiles/GPServer",
    "/services/ExportTiles/GPServer/ExportTiles",
    "/info",
    "/jobs",
    "/services/nowhere",
)
ERROR_PAGE = PAGES[-1]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("accessible")
    make_world(folder / "world")
    with ServiceProcess(folder, f"World={folder / 'world'}") as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_violate_no_rule(
    browser: Browser, service: ServiceProcess, scheme: str, viewport: dict[str, int]
) -> None:
    root = service.url.removesuffix("/services")
    with opened(browser, viewport, color_scheme=scheme) as page:  # type: ignore[arg-type]
        found = {}
        page.goto(f"{root}{PAGES[2]}")
        page.get_by_role("button", name="Export tiles").click()
        expect(ended_status(page)).to_have_text("Succeeded")
        found["job"] = violations(page)
        page.goto(f"{root}{PAGES[2]}")
        page.get_by_role("button", name="Compare qualities").click()
        expect(ended_status(page)).to_have_text("Succeeded")
        found["samples"] = violations(page)
        page.get_by_role("link", name="Compare the tiles").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sample compressions of World")
        found["samples.html"] = violations(page)
        for path in PAGES:
            page.goto(root + path)
            expect(page.locator(".error")).to_have_count(int(path == ERROR_PAGE))
            found[path] = violations(page)
        assert found == {name: [] for name in found}


def test_rules_find_a_violation(browser: Browser, service: ServiceProcess) -> None:
    with opened(browser, DESKTOP) as page:
        page.goto(service.url)
        page.evaluate("document.documentElement.removeAttribute('lang')")
        assert [rule.partition(":")[0] for rule in violations(page)] == ["html-has-lang"]
