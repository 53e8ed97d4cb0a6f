"""The map of a cache in a browser, and drawing on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.caches import conf_text, make_cache, square
from helpers.service_process import ServiceProcess

pytest.importorskip("playwright", reason="playwright is not installed (the extra browser)")
from playwright.sync_api import Browser, Page, expect

from helpers.browser import PHONE, TOUCH, area_of, bounds_of, click_on_map, estimated_tiles, form_url, map_point, opened

WORLD, UNUSUAL = "World", "Unusual"

# Tiles that are not square, resolutions that are not halved, gaps in the level ids, an origin far from the tiles.
UNUSUAL_LEVELS = {3: 0.1, 5: 0.04, 9: 0.01}
UNUSUAL_ORIGIN, UNUSUAL_COLUMNS, UNUSUAL_ROWS = 400, 64, 32
UNUSUAL_BOX = -80, 64, -60.8, 80

EDGE = 20037508.342787
WORLD_BOX = -EDGE, -EDGE, EDGE, EDGE


def make_unusual_cache(folder: Path) -> Path:
    lods = "".join(
        f"<LODInfo><LevelID>{level}</LevelID><Scale>{4e8 * size}</Scale><Resolution>{size}</Resolution></LODInfo>"
        for level, size in UNUSUAL_LEVELS.items()
    )
    conf = conf_text(
        reference="<WKID>4326</WKID>", x=-UNUSUAL_ORIGIN, y=UNUSUAL_ORIGIN, lods=lods, tile=UNUSUAL_COLUMNS
    )
    conf = conf.replace(f"<TileRows>{UNUSUAL_COLUMNS}", f"<TileRows>{UNUSUAL_ROWS}")
    tiles = square(3, range(100, 105), range(50, 53)) | square(5, range(250, 263), range(125, 133))
    return make_cache(folder, tiles, conf=conf, cdi=UNUSUAL_BOX)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    tiles = {
        address: tile for level in range(3) for address, tile in square(level, range(2**level), range(2**level)).items()
    }
    world = make_cache(folder / "world", tiles, cdi=WORLD_BOX)
    with ServiceProcess(folder, f"{WORLD}={world}", f"{UNUSUAL}={make_unusual_cache(folder / 'unusual')}") as running:
        yield running


def test_rectangle_by_dragging_and_by_two_clicks(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, WORLD))
    tool = page.get_by_role("button", name="Rectangle")
    first, second = map_point(page, 0.4, 0.3), map_point(page, 0.7, 0.6)
    tool.click()
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*second, steps=5)
    page.mouse.up()
    dragged = bounds_of(page)
    assert tool.get_attribute("aria-pressed") == "false"
    tool.click()
    click_on_map(page, second, first)
    assert bounds_of(page) == pytest.approx(dragged)
    page.get_by_role("button", name="Clear").click()
    assert area_of(page) == ""
    expect(estimated_tiles(page)).to_have_text("21")


def test_escape_discards_the_drawing_and_backspace_the_last_vertex(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, WORLD))
    tool = page.get_by_role("button", name="Polygon")
    vertices = [map_point(page, *at) for at in ((0.4, 0.3), (0.6, 0.3), (0.6, 0.6), (0.9, 0.9))]
    tool.click()
    click_on_map(page, *vertices)
    expect(page.locator("path.vertex")).to_have_count(4)
    page.keyboard.press("Escape")
    expect(page.locator("path.vertex")).to_have_count(0)
    assert area_of(page) == ""
    tool.click()
    click_on_map(page, *vertices)
    page.keyboard.press("Backspace")
    click_on_map(page, vertices[0])
    assert len(json.loads(area_of(page))["rings"][0]) == 4


def test_current_view_becomes_the_area_without_a_mouse(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, WORLD))
    page.get_by_role("button", name="Current view").press("Enter")
    west, south, east, north = bounds_of(page)
    assert west < 0 < east
    assert south < 0 < north
    expect(page.locator("path.area")).to_have_count(1)


@pytest.mark.parametrize(
    "area",
    [
        '{"rings": [[[0, 0], [0, 9e6], [9e6, 0], [0, 0]]]}',
        '{"features": [{"geometry": {"rings": [[[0, 0], [0, 60], [60, 0], [0, 0]]]}}], '
        '"spatialReference": {"wkid": 4326}}',
        '{"type": "Polygon", "coordinates": [[[0, 0], [60, 0], [0, 60], [0, 0]]]}',
    ],
)
def test_typed_area_is_shown(page: Page, service: ServiceProcess, area: str) -> None:
    page.goto(form_url(service, WORLD))
    page.get_by_label("Area of interest").fill(area)
    shape = page.locator("path.area")
    expect(shape).to_be_visible()
    box, middle = shape.bounding_box(), map_point(page, 0.5, 0.5)
    assert box
    assert (box["x"], box["y"] + box["height"]) == pytest.approx(middle, abs=4), "its lower left corner is at 0, 0"


def test_hint_states_why_an_area_is_not_shown(page: Page, service: ServiceProcess) -> None:
    page.goto(form_url(service, WORLD))
    hint, field = page.locator("#map-hint"), page.get_by_label("Area of interest")
    for text, message in {
        '{"rings": [[[0, 0], [0': "not a polygon",
        '{"x": 1}': "not a polygon",
        '{"rings": [[["a", 0]]]}': "not a pair of numbers",
        '{"rings": [[[0, 0], [0, 1], [1, 0]]], "spatialReference": {"wkid": 31467}}': "another spatial reference",
    }.items():
        field.fill(text)
        expect(hint).to_contain_text(message)
    field.fill("")
    expect(hint).to_be_empty()


@pytest.mark.parametrize(("level", "steps"), [(5, 0), (3, 1)])
def test_map_of_an_unusual_tiling_scheme(page: Page, service: ServiceProcess, level: int, steps: int) -> None:
    page.goto(form_url(service, UNUSUAL))
    for _ in range(steps):
        page.get_by_role("button", name="Zoom out").click()
    expect(page.locator("#map-level")).to_contain_text(f"Level {level},")
    page.wait_for_load_state("networkidle")
    [(row, column, box)] = page.locator(f"img.leaflet-tile-loaded[src*='/tile/{level}/']").evaluate_all(
        """(images) => {
          const map = document.getElementById("map").getBoundingClientRect();
          const inside = ({ left, right, top, bottom }) =>
            left > map.left + 50 && right < map.right && top > map.top && bottom < map.bottom;
          return images.map((image) => [...image.src.split("/").slice(-2).map(Number), image.getBoundingClientRect()])
            .filter(([row, column, box]) => inside(box)).slice(0, 1)
            .map(([row, column, box]) => [row, column, [box.left, box.top, box.right, box.bottom]]);
        }"""
    )
    left, top, right, bottom = box
    page.get_by_role("button", name="Rectangle").click()
    click_on_map(page, (left, top), (right, bottom))
    wide, high = (pixels * UNUSUAL_LEVELS[level] for pixels in (UNUSUAL_COLUMNS, UNUSUAL_ROWS))
    west, north = column * wide - UNUSUAL_ORIGIN, UNUSUAL_ORIGIN - row * high
    assert bounds_of(page) == pytest.approx((west, north - high, west + wide, north), abs=2 * UNUSUAL_LEVELS[level])
    assert json.loads(area_of(page))["spatialReference"]["wkid"] == 4326


def test_drawing_on_a_touch_screen(browser: Browser, service: ServiceProcess) -> None:
    with opened(browser, PHONE, **TOUCH) as page:
        page.goto(form_url(service, WORLD))
        tool = page.get_by_role("button", name="Rectangle")
        tool.tap()
        expect(tool).to_have_attribute("aria-pressed", "true")  # the click follows the tap later
        first, second = map_point(page, 0.4, 0.15), map_point(page, 0.7, 0.45)  # further down there is the estimate
        page.touchscreen.tap(*first)
        page.touchscreen.tap(*second)
        expect(page.get_by_label("Area of interest")).not_to_have_value("")
        tapped = bounds_of(page)
        tool.tap()
        expect(tool).to_have_attribute("aria-pressed", "true")
        session = page.context.new_cdp_session(page)
        for kind, place in (("touchStart", first), ("touchMove", second), ("touchEnd", None)):
            points = [{"x": place[0], "y": place[1]}] if place else []
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert bounds_of(page) == pytest.approx(tapped)
