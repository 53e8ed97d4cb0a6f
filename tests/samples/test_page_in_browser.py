"""The page of sample compressions in a browser without network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gptool
from gptool.samples.page import PageLinks, make_page
from gptool.samples.report import Samples
from helpers.caches import conf_text, jpeg_tile, make_cache

pytest.importorskip("playwright", reason="playwright is not installed (the extra browser)")
from playwright.sync_api import Browser, Page

from helpers.axe import needs_axe, violations
from helpers.browser import DESKTOP, PHONE, TOUCH

SIDE = 256

NEAR, FAR = 0.5, 3
"""Mean differences of levels between the same and between different pictures."""


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    tiles = {(8, 100, 100 + i): jpeg_tile(i, (85, 95)[i % 2], SIDE) for i in range(3)}
    cache = make_cache(tmp_path_factory.mktemp("shown") / "shown", tiles, conf=conf_text(tile=SIDE))
    return gptool.sample_compressions(cache, qualities=[5, 30])


@pytest.fixture(scope="module")
def file(sampled: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sampled.write_html(tmp_path_factory.mktemp("page") / "page.html")


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    """The page of a file: it logs nothing, and requests nothing but itself and what it contains."""
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert problems == []
    assert [url for url in requested if not url.startswith("data:image/jpeg;base64,")] == [file.as_uri()]


def shown(page: Page) -> np.ndarray:
    """Return what the page shows of its first tile, int16[256, 256, 3]."""
    place = page.locator(".before").first
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box
    clip = {"x": round(box["x"]), "y": round(box["y"]), "width": SIDE, "height": SIDE}
    with Image.open(io.BytesIO(page.screenshot(clip=clip))) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def difference(pixels: np.ndarray, tile: bytes) -> tuple[float, float]:
    """Return how far the left and the right part of pixels are from a tile; the line is left out."""
    with Image.open(io.BytesIO(tile)) as image:
        errors = np.abs(pixels - np.asarray(image.convert("RGB"), np.int16)).mean(axis=(0, 2))
    return float(errors[2 : SIDE // 2 - 2].mean()), float(errors[SIDE // 2 + 2 : -2].mean())


def test_slider_that_is_moved_by_keys_changes_what_is_seen(browser: Browser, file: Path, sampled: Samples) -> None:
    with opened(browser, file, viewport=DESKTOP) as page:
        page.locator("label[for=quality-5]").click()
        before, after = sampled.tiles[0].data, sampled.tiles[0].results[0].data
        slider = page.get_by_label("Before and after").first
        slider.focus()
        for key, tile in (("Home", after), ("End", before)):
            page.keyboard.press(key)
            assert max(difference(shown(page), tile)) < NEAR
        for _ in range(50):
            page.keyboard.press("ArrowLeft")
        assert slider.input_value() == "50"
        (left_before, right_before), (left_after, right_after) = (
            difference(shown(page), tile) for tile in (before, after)
        )
        assert max(left_before, right_after) < NEAR
        assert min(left_after, right_before) > FAR


def test_quality_is_chosen_by_keys(browser: Browser, file: Path, sampled: Samples) -> None:
    with opened(browser, file, viewport=DESKTOP) as page:
        page.locator("#all").focus()
        page.keyboard.press("Home")
        for figures in sampled.all_figures:
            page.locator(f"#quality-{figures.quality}").focus()
            page.keyboard.press("Space")
            [result] = [result for result in sampled.tiles[0].results if result.quality == figures.quality]
            assert difference(shown(page), result.data)[1] < NEAR
            rows = page.locator(".tile .current th").all_text_contents()
            assert rows == [str(figures.quality)] * len(sampled.tiles)


def test_page_opens_at_the_recommended_quality_and_true_size(browser: Browser, file: Path, sampled: Samples) -> None:
    with opened(browser, file, viewport=DESKTOP) as page:
        assert page.locator(f"#quality-{sampled.recommended.quality}").is_checked()
        box = page.locator(".before").first.bounding_box()
        assert box
        assert (box["width"], box["height"]) == (SIDE, SIDE)
        page.locator("#zoom-4").focus()
        page.keyboard.press("Space")
        box = page.locator(".before").first.bounding_box()
        assert box
        assert (box["width"], box["height"]) == (4 * SIDE, 4 * SIDE)


def test_phone_shows_all_in_its_width_and_takes_touches(browser: Browser, file: Path) -> None:
    with opened(browser, file, viewport=PHONE, **TOUCH) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        slider = page.get_by_label("Before and after").first
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box
        page.touchscreen.tap(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
        assert 80 <= int(slider.input_value()) <= 98
        assert page.locator(".line").first.evaluate("line => parseFloat(line.style.left)") > 80
        page.locator("label[for=zoom-8]").tap()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_print_shows_before_and_after_side_by_side(browser: Browser, file: Path) -> None:
    with opened(browser, file, viewport=DESKTOP) as page:
        page.emulate_media(media="print")
        assert not page.locator(".tools").is_visible()
        assert page.locator(".slide:visible").count() == 0
        left, right = page.locator(".before").first.bounding_box(), page.locator(".after:visible").first.bounding_box()
        assert left
        assert right
        assert left["x"] + left["width"] < right["x"]
        assert (left["width"], left["y"]) == (right["width"], right["y"])


def test_saved_page_of_a_service_leads_nowhere(browser: Browser, sampled: Samples, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(make_page(sampled, PageLinks("../job", "../form?quality=")), encoding="utf-8")
    with opened(browser, file, viewport=DESKTOP) as page:
        assert page.locator("a").count() == page.locator(".service").count() == 0
        shown = page.locator("#table-title ~ .scroll tbody th").all_text_contents()
        assert shown == [*(str(figures.quality) for figures in sampled.all_figures), "as it is"]


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_violates_no_rule_of_accessibility(browser: Browser, file: Path, scheme: str, viewport: Any) -> None:
    with opened(browser, file, viewport=viewport, color_scheme=scheme) as page:
        assert violations(page) == []
