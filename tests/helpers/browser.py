"""Actions on the service's pages in a browser.

Screenshots are saved to the folder that the environment variable GPTOOL_SCREENSHOTS names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from helpers.service_process import ServiceProcess

DESKTOP: ViewportSize = {"width": 1200, "height": 860}
PHONE: ViewportSize = {"width": 360, "height": 740}
TOUCH = {"has_touch": True, "is_mobile": True}

expect.set_options(300_000)


@contextmanager
def opened(browser: Browser, viewport: ViewportSize, **options: Any) -> Iterator[Page]:
    """A page that logs no error or warning, and sends requests to the service only."""
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "response",
        lambda response: problems.append(f"{response.status} {response.url}") if response.status >= 400 else None,
    )
    page.on(
        "request",
        lambda request: None if re.match(r"http://127\.0\.0\.1:|data:", request.url) else problems.append(request.url),
    )
    yield page
    context.close()
    assert problems == []


def save_screenshot(page: Page, name: str) -> None:
    """Save a screenshot for the documentation."""
    if folder := os.environ.get("GPTOOL_SCREENSHOTS"):
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=76)


def form_url(service: ServiceProcess, name: str) -> str:
    return f"{service.url}/{name}/ImageServer/exportTiles"


def map_point(page: Page, right: float, down: float) -> tuple[float, float]:
    """A position on the map, given as fractions of its width and height."""
    box = page.locator("#map").bounding_box()
    assert box
    return box["x"] + right * box["width"], box["y"] + down * box["height"]


def click_on_map(page: Page, *positions: tuple[float, float]) -> None:
    for x, y in positions:
        page.mouse.click(x, y)


def area_of(page: Page) -> str:
    return page.get_by_label("Area of interest").input_value()


def bounds_of(page: Page) -> tuple[float, float, float, float]:
    [ring] = json.loads(area_of(page))["rings"]
    assert ring[0] == ring[-1]
    assert sum(x * y1 - x1 * y for (x, y), (x1, y1) in pairwise(ring)) < 0, "clockwise"
    xs, ys = zip(*ring, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def estimated_tiles(page: Page) -> Locator:
    return page.locator("#estimate[data-state=done] #amounts-tiles")


def ended_status(page: Page) -> Locator:
    return page.locator("#job:not([data-job]) #job-status")


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path
