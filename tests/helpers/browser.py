"""The service's pages in a browser: verbs that tests share. GPTOOL_SCREENSHOTS names a folder for pictures of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from helpers.service_process import ServiceProcess

DESKTOP = {"width": 1200, "height": 860}
PHONE = {"width": 360, "height": 740}
FINGERS = {"has_touch": True, "is_mobile": True}

expect.set_options(60_000)


@contextmanager
def opened(browser: Browser, viewport: dict[str, int], **options: Any) -> Iterator[Page]:
    """A page that has nothing to complain of, and asks nobody else."""
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("response", lambda reply: troubles.append(f"{reply.status} {reply.url}") if reply.status >= 400 else None)
    page.on(
        "request",
        lambda asked: None if re.match(r"http://127\.0\.0\.1:|data:", asked.url) else troubles.append(asked.url),
    )
    yield page
    context.close()
    assert troubles == []


def shoot(page: Page, name: str) -> None:
    """Keep a picture of what is seen, for the documentation."""
    if folder := os.environ.get("GPTOOL_SCREENSHOTS"):
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=76)


def form_of(service: ServiceProcess, name: str) -> str:
    return f"{service.url}/{name}/ImageServer/exportTiles"


def spot(page: Page, right: float, down: float) -> tuple[float, float]:
    """A place on the map, by parts of its width and its height."""
    box = page.locator("#map").bounding_box()
    assert box
    return box["x"] + right * box["width"], box["y"] + down * box["height"]


def click_on_map(page: Page, *places: tuple[float, float]) -> None:
    for x, y in places:
        page.mouse.click(x, y)


def area_of(page: Page) -> str:
    return page.get_by_label("Area of interest").input_value()


def bounds_of(page: Page) -> tuple[float, float, float, float]:
    [ring] = json.loads(area_of(page))["rings"]
    assert ring[0] == ring[-1]
    assert sum(x * y1 - x1 * y for (x, y), (x1, y1) in pairwise(ring)) < 0, "clockwise"
    xs, ys = zip(*ring, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def tiles_said(page: Page) -> Locator:
    return page.locator("#estimate[data-state=done] #amounts-tiles")


def end(page: Page) -> Locator:
    return page.locator("#job:not([data-job]) #job-status")


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path
