"""The service's pages in a browser: from the list of services to a package that can be opened."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import rasterio

from gptool import estimate_export_tiles_size, export_tiles, open_cache
from gptool.demo import make_cache as make_world
from gptool.service.tokens import add_token
from gptool.text import format_bytes
from helpers.gate import Gate
from helpers.service_process import ServiceProcess
from helpers.tile_readers import read_cache, read_tiles

pytest.importorskip("playwright", reason="playwright is not installed (the extra browser)")
from playwright.sync_api import Browser, Page, expect

from helpers.browser import (
    DESKTOP,
    PHONE,
    TOUCH,
    area_of,
    click_on_map,
    download,
    ended_status,
    estimated_tiles,
    form_url,
    map_point,
    opened,
    save_screenshot,
)

WORLD, FEW = "World", "Few"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "world"
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The gate of the service's workers. A test that closes it opens it again."""
    return Gate(tmp_path_factory.mktemp("gate") / "gate")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, world: Path, gate: Gate) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    tables = [
        f"[caches.{name}]\nlocation = {json.dumps(str(world))}\nmaxExportTilesCount = {most}\n"
        for name, most in ((WORLD, 100_000), (FEW, 100))
    ]
    (folder / "service.toml").write_text("\n".join(tables))
    with ServiceProcess(folder, "--config", folder / "service.toml", environment=gate.environment) as running:
        yield running


def test_draw_estimate_export_and_download(page: Page, service: ServiceProcess, world: Path, tmp_path: Path) -> None:
    page.goto(service.url)
    page.get_by_role("link", name=WORLD, exact=True).first.click()
    expect(page.locator("#map .leaflet-tile-loaded").first).to_be_visible()
    save_screenshot(page, "service")
    page.get_by_role("link", name="Export Tiles", exact=True).click()
    expect(estimated_tiles(page)).to_have_text("341")

    page.get_by_role("button", name="Polygon").click()
    vertices = [map_point(page, *at) for at in ((0.34, 0.3), (0.58, 0.22), (0.72, 0.62), (0.42, 0.7))]
    click_on_map(page, *vertices, vertices[0])
    page.get_by_label("Levels").fill("0-4")
    page.get_by_label("Compression quality").fill("50")
    expected = estimate_export_tiles_size(world, area_of_interest=area_of(page), levels="0-4", compression_quality=50)
    expect(estimated_tiles(page)).to_have_text(str(expected.total_tiles_to_export))
    size = page.locator("#estimate #amounts-size")
    expect(size).to_have_text(format_bytes(expected.total_size))
    expect(size).to_have_attribute("title", f"{expected.total_size:,} bytes")
    assert page.get_by_label("Optimize tiles for size").is_checked()
    save_screenshot(page, "form")
    area = area_of(page)

    page.get_by_role("button", name="Export tiles").click()
    expect(ended_status(page)).to_have_text("Succeeded")
    save_screenshot(page, "job")
    package = download(page, tmp_path)
    assert package.name == f"{WORLD}.tpkx"
    direct = export_tiles(world, tmp_path / "direct.tpkx", area_of_interest=area, levels="0-4", compression_quality=50)
    assert direct.tiles == expected.total_tiles_to_export
    assert read_tiles(package) == read_tiles(tmp_path / "direct.tpkx")
    assert open_cache(package).scheme.reference.wkid == 102100
    with rasterio.open(package) as dataset:
        assert dataset.read(1).any()


def test_estimate_follows_the_form(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, FEW))
    text, meter = page.locator("#estimate-text"), page.locator("#estimate-meter")
    expect(estimated_tiles(page)).to_have_text("341")
    expect(text).to_have_text("Exceeds the limit of 100 tiles per export")
    page.get_by_label("Levels").fill("0-2")
    expect(estimated_tiles(page)).to_have_text("21")
    expect(text).to_have_text("21.0 % of the limit of 100 tiles per export")
    assert meter.evaluate("meter => [meter.value, meter.max]") == [21, 100]
    page.get_by_label("Levels").fill("77")
    expect(page.locator("#estimate[data-state=failed] p")).to_contain_text("levels")


def test_form_offers_parts_above_the_limit(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, FEW))
    text, button = page.locator("#estimate-text"), page.locator("#use-parts")
    expect(button).to_have_text("Divide into 4 or more parts")
    page.get_by_label("Tile package").uncheck()
    button.click()
    expect(button).to_be_hidden()
    expect(page.get_by_label("Maximum tiles of a part")).to_have_value("100")
    expect(page.get_by_label("Tile package")).to_be_checked()
    expect(text).to_have_text("The result is divided into 5 parts (.tpkx)")
    page.get_by_role("button", name="Export tiles").click()
    expect(ended_status(page)).to_have_text("Succeeded")
    expect(page.get_by_role("link", name=f"{FEW}-overview.tpkx")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(6)
    page.get_by_role("link", name="Edit and run again").click()
    expect(text).to_have_text("The result is divided into 5 parts (.tpkx)")
    page.get_by_label("Maximum tiles of a part").fill("")
    expect(button).to_be_visible()


def test_sliders_choose_levels_and_show_the_tiles_of_the_area_at_each(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, WORLD))
    expect(estimated_tiles(page)).to_have_text("341")
    rows = page.locator("#level-range tbody tr")
    expect(rows.locator("td:nth-child(3)")).to_have_text(["1", "4", "16", "64", "256"])
    page.get_by_label("Finest level").fill("2")
    expect(page.get_by_label("Levels")).to_have_value("0-2")
    page.get_by_label("Coarsest level").fill("1")
    expect(page.get_by_label("Levels")).to_have_value("1-2")
    expect(estimated_tiles(page)).to_have_text("20")
    page.get_by_label("Levels").fill("3")
    expect(page.get_by_label("Coarsest level")).to_have_value("3")
    expect(page.get_by_label("Finest level")).to_have_value("3")
    quarter = {"rings": [[[1, 1], [1, 2e7], [2e7, 2e7], [2e7, 1], [1, 1]]], "spatialReference": {"wkid": 102100}}
    page.get_by_label("Levels").fill("")
    page.get_by_label("Area of interest").fill(json.dumps(quarter))
    expect(rows.locator("td:nth-child(3)")).to_have_text(["1", "1", "4", "16", "64"])


def test_quality_slider_shows_a_tile_before_and_after(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, WORLD))
    expect(page.locator("#quality-tiles")).to_be_hidden()
    page.get_by_label("Quality", exact=True).fill("20")
    expect(page.get_by_label("Compression quality")).to_have_value("20")
    expect(page.get_by_label("Optimize tiles for size")).to_be_checked()
    widths = [page.locator(f"#tile-{name}") for name in ("before", "after")]
    for image in widths:
        expect(image).to_have_js_property("naturalWidth", 256)
    before, after = (float(page.locator(f"#tile-{name}-size").inner_text().split()[0]) for name in ("before", "after"))
    assert 0 < after < before
    expect(page.locator("#estimate .saving")).to_contain_text("% less")


def test_export_button_of_a_phone_is_on_the_first_screen_and_leaves_the_map_free(
    browser: Browser, service: ServiceProcess
) -> None:
    with opened(browser, PHONE, **TOUCH) as page:
        page.goto(form_url(service, WORLD))
        expect(estimated_tiles(page)).to_have_text("341")
        expect(page.get_by_role("button", name="Export tiles")).to_be_in_viewport(ratio=1)
        area, bar = (page.locator(name).bounding_box() for name in ("#map", ".bar"))
        assert area
        assert bar
        assert bar["height"] < area["height"] / 2  # so that the middle of the map can be tapped


def test_dataset_is_downloaded_as_a_zip_and_edited_and_run_again(
    page: Page, service: ServiceProcess, tmp_path: Path
) -> None:
    page.goto(form_url(service, WORLD))
    page.get_by_label("Levels").fill("1-2")
    page.get_by_label("Tile package").uncheck()
    page.get_by_label("Compression quality").fill("40")
    page.get_by_role("button", name="Export tiles").click()
    expect(ended_status(page)).to_have_text("Succeeded")
    package = download(page, tmp_path)
    assert package.name == f"{WORLD}.zip"
    with zipfile.ZipFile(package) as files:
        assert files.testzip() is None
        files.extractall(tmp_path / "dataset")
    assert len(read_cache(tmp_path / "dataset" / WORLD)) == 20

    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_label("Levels")).to_have_value("1-2")
    expect(page.get_by_label("Tile package")).not_to_be_checked()
    expect(page.get_by_label("Optimize tiles for size")).to_be_checked()
    expect(page.get_by_label("Compression quality")).to_have_value("40")
    expect(page.get_by_label("Export by")).to_be_hidden()
    expect(estimated_tiles(page)).to_have_text("20")
    page.get_by_label("Levels").fill("0")
    page.get_by_role("button", name="Export tiles").click()
    expect(ended_status(page)).to_have_text("Succeeded")
    expect(page.locator("#amounts-tiles")).to_have_text("1")


def test_form_of_a_task_has_the_map_of_the_chosen_cache(page: Page, service: ServiceProcess) -> None:
    page.goto(f"{service.url}/ExportTiles/GPServer/ExportTiles")
    expect(page.locator("#map")).to_be_hidden()
    for name in (FEW, WORLD):
        page.locator("#cache").select_option(name)
        tile = page.locator("#map .leaflet-tile-loaded").first
        expect(tile).to_have_attribute("src", re.compile(f"/{name}/ImageServer/tile/"))
    page.get_by_role("button", name="Current view").click()
    assert json.loads(area_of(page))["spatialReference"]["wkid"] == 102100
    page.get_by_label("Levels").fill("0")
    page.get_by_role("button", name="Submit job (POST)").click()
    expect(ended_status(page)).to_have_text("Succeeded")


def test_newer_estimate_cancels_the_older(page: Page, service: ServiceProcess, gate: Gate) -> None:
    """The newer estimate recompresses no tile, so the gate does not hold it."""
    page.goto(form_url(service, WORLD))
    with gate.closed():
        page.get_by_label("Compression quality").fill("1")
        gate.wait()
        expect(page.locator("#estimate-text")).not_to_have_text("Waiting")
        with page.expect_response("**/cancel") as cancelled:
            page.get_by_label("Optimize tiles for size").uncheck()
        assert cancelled.value.json()["jobStatus"] in ("esriJobCancelling", "esriJobCancelled")
        expect(estimated_tiles(page)).to_have_text("341")


def test_leaving_the_form_cancels_the_estimate(page: Page, service: ServiceProcess, gate: Gate) -> None:
    page.goto(form_url(service, WORLD))
    expect(estimated_tiles(page)).to_have_text("341")
    with gate.closed():
        with page.expect_response("**/estimateExportTilesSize") as submitted:
            page.get_by_label("Compression quality").fill("1")
        job = f"{submitted.value.url}/jobs/{submitted.value.json()['jobId']}"
        gate.wait()
        expect(page.locator("#estimate-text")).not_to_have_text("Waiting")
        page.get_by_role("link", name="Services").click()
        page.goto(job)
        expect(ended_status(page)).to_have_text("Cancelled")


def test_running_job_is_followed_and_cancelled(page: Page, service: ServiceProcess, gate: Gate) -> None:
    page.goto(form_url(service, WORLD))
    with gate.closed(after=2):  # one batch per level; the first two contain more than a percent of the tiles
        page.get_by_role("button", name="Export tiles").click()
        expect(page.locator("#job-text")).to_contain_text("Exporting tiles")
        expect(page.locator("#job-progress")).to_have_attribute("value", re.compile("[1-9]"))
        page.get_by_role("button", name="Cancel job").click()
        expect(ended_status(page)).to_have_text("Cancelled")
    expect(page.get_by_role("button", name="Cancel job")).to_have_count(0)
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def test_failed_job_shows_its_error(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, FEW))
    page.get_by_role("button", name="Export tiles").click()
    expect(ended_status(page)).to_have_text("Failed")
    expect(page.locator("[data-type=esriJobMessageTypeError]").first).to_contain_text("ERROR 001564")


def test_no_page_is_wider_than_a_phone(browser: Browser, service: ServiceProcess) -> None:
    with opened(browser, PHONE, **TOUCH) as page:

        def check() -> None:
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], page.url

        paths = (
            "",
            f"/{WORLD}/ImageServer",
            "/ExportTiles/GPServer",
            "/ExportTiles/GPServer/ExportTiles",
            "/nowhere",
            f"/{WORLD}/ImageServer/exportTiles",
        )
        for path in paths:
            page.goto(service.url + path)
            check()
        page.get_by_role("button", name="Export tiles").tap()
        expect(ended_status(page)).to_have_text("Succeeded")
        check()
        page.get_by_role("link", name="out_service_url").tap()
        expect(page.get_by_role("heading", level=1)).to_have_text("out_service_url")
        check()


def test_pages_work_without_scripts(browser: Browser, service: ServiceProcess, gate: Gate, tmp_path: Path) -> None:
    with opened(browser, DESKTOP, java_script_enabled=False) as page:
        page.goto(form_url(service, WORLD))
        expect(page.locator("#map")).to_be_hidden()
        expect(page.locator("#estimate")).to_be_hidden()
        page.get_by_label("Optimize tiles for size").check()
        page.get_by_label("Compression quality").fill("50")
        with gate.closed():
            page.get_by_role("button", name="Export tiles").click()
            expect(page.locator("#job-status")).to_have_text("Running")
        expect(ended_status(page)).to_have_text("Succeeded")
        assert len(read_tiles(download(page, tmp_path))) == 341


def test_cookie_opens_all_pages(browser: Browser, world: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    token = add_token(tokens, "somebody")
    process = ServiceProcess(tmp_path, f"{WORLD}={world}", "--token-file", tokens)
    with process as service, opened(browser, DESKTOP) as page:
        page.goto(service.url)
        page.get_by_label("Token").fill("unknown token")
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("link", name=WORLD, exact=True).first.click()
        expect(page.locator("#map .leaflet-tile-loaded").first).to_be_visible()
        page.get_by_role("link", name="Export Tiles", exact=True).click()
        expect(estimated_tiles(page)).to_have_text("341")
        page.get_by_label("Levels").fill("0-1")
        page.get_by_role("button", name="Export tiles").click()
        expect(ended_status(page)).to_have_text("Succeeded")
        assert len(read_tiles(download(page, tmp_path))) == 5
        page.get_by_role("link", name="out_service_url").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("out_service_url")
        assert token not in page.url
        assert token not in page.content()
        [cookie] = page.context.cookies()
        assert (cookie["value"], cookie["httpOnly"], cookie["sameSite"]) == (token, True, "Strict")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        assert page.context.cookies() == []
