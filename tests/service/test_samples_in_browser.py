"""Sample compressions in a browser: from the form to the comparison of tiles, and back to the form with a quality."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool import sample_compressions
from gptool.demo import make_cache as make_world
from helpers.service_process import ServiceProcess

pytest.importorskip("playwright", reason="playwright is not installed (the extra browser)")
from playwright.sync_api import Page, expect

from helpers.browser import area_of, click_on_map, ended_status, estimated_tiles, form_url, map_point, save_screenshot


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampled") / "world"
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def service(sampled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("service"), f"World={sampled}") as running:
        yield running


def test_compare_qualities_of_the_drawn_area_and_use_one(page: Page, service: ServiceProcess, sampled: Path) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(form_url(service, "World"))
    expect(estimated_tiles(page)).to_have_text("341")
    page.get_by_role("button", name="Polygon").click()
    vertices = [map_point(page, *at) for at in ((0.34, 0.3), (0.58, 0.22), (0.72, 0.62), (0.42, 0.7))]
    click_on_map(page, *vertices, vertices[0])
    page.get_by_label("Compression quality").fill("50")
    expected = sample_compressions(sampled, area_of_interest=area_of(page), tile_package=True)
    assert expected.total_tiles < 341
    expect(estimated_tiles(page)).to_have_text(str(expected.total_tiles))

    page.get_by_role("button", name="Compare qualities").click()
    expect(ended_status(page)).to_have_text("Succeeded")
    quality = expected.recommended.quality
    expect(page.locator("#recommendation")).to_contain_text(f"Quality {quality} is recommended.")
    save_screenshot(page, "samples-job")
    job = page.url
    page.get_by_role("link", name="Compare the tiles").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sample compressions of World")
    assert page.locator("figure.tile").count() == len(expected.tiles)
    slider = page.locator("#slider-0")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("51")
    assert "51%" in str(page.locator(".after:not([hidden])").first.get_attribute("style"))

    page.reload()
    slider.focus()
    page.keyboard.press("End")
    assert "100%" in str(page.locator(".after:not([hidden])").first.get_attribute("style"))

    page.get_by_role("link", name="Use quality 40").click()
    expect(page.get_by_label("Compression quality")).to_have_value("40")
    assert area_of(page)
    page.go_back()
    page.get_by_role("link", name="Back to the job").click()
    expect(page).to_have_url(job)
    page.get_by_role("link", name="Use quality").click()
    expect(page).to_have_url(re.compile("/exportTiles[?]"))
    expect(page.get_by_label("Compression quality")).to_have_value(str(quality))
    expect(page.get_by_label("Optimize tiles for size")).to_be_checked()
    assert area_of(page)
    expect(estimated_tiles(page)).to_have_text(str(expected.total_tiles))
    assert problems == []


def test_form_of_its_own_compares(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, "World").replace("exportTiles", "sampleCompressions"))
    expect(page).to_have_title(re.compile("Compare qualities"))
    expect(page.locator("button.main")).to_have_text("Compare qualities")
    page.get_by_label("Levels").fill("77")
    page.locator("button.main").click()
    expect(ended_status(page)).to_have_text("Failed")
    page.get_by_role("link", name="Edit and run again").click()
    expect(page).to_have_url(re.compile("/sampleCompressions[?]"))
    expect(page.get_by_label("Levels")).to_have_value("77")
