"""The service's pages: contents, escaping, tokens, and nothing that the Content-Security-Policy forbids."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from lxml import html

from gptool.jobs.record import PlannedSize
from gptool.jobs.status import JobStatus
from gptool.model import Lod, NumberText
from gptool.request import PARAMETERS
from gptool.service.figures import CacheFigures, LevelFigures
from gptool.service.pages import link, render, static_files
from gptool.service.resources.cache_entries import CacheEntry
from gptool.service.resources.my_jobs import ListedJob
from gptool.service.urls import ROOT

HOSTILE = (
    """'"><script>alert(1)</script></textarea></title><img src=x onerror=alert(2) style="top:0">{{ 7 * 7 }}--&amp;"""
)
BASE = f"{ROOT}/services/World/ImageServer"
JOB = f"{BASE}/exportTiles/jobs/j1"
BOX = {"xmin": -20037508.342787, "ymin": -1, "xmax": 1, "ymax": 2.5}

SERVICE = {
    "serviceDescription": HOSTILE,
    "copyrightText": HOSTILE,
    "fullExtent": BOX,
    "tileInfo": {
        "rows": 256,
        "cols": 512,
        "dpi": 96,
        "format": HOSTILE,
        "compressionQuality": 75,
        "origin": {"x": -400, "y": 400},
        "spatialReference": {"wkt": HOSTILE},
        "lods": [{"level": 3, "scale": 591657527.591555, "resolution": 0.00002}],
    },
    "storageInfo": {"storageFormat": "esriMapCacheStorageModeCompactV2"},
    "exportTilesAllowed": True,
    "maxExportTilesCount": 100_000,
}
TASK = {
    "description": HOSTILE,
    "parameters": [
        {"name": "cache", "displayName": HOSTILE, "dataType": "GPString", "direction": "esriGPParameterDirectionInput",
         "defaultValue": HOSTILE, "choiceList": [HOSTILE, "World"]},
        {"name": "areaOfInterest", "displayName": "Area", "dataType": "GPFeatureRecordSetLayer",
         "direction": "esriGPParameterDirectionInput", "defaultValue": {"features": []}, "description": HOSTILE},
        {"name": "compressionQuality", "displayName": "Quality", "dataType": "GPLong", "defaultValue": None,
         "direction": "esriGPParameterDirectionInput", "filter": {"type": "range", "minimum": 0, "maximum": 100}},
        {"name": "package", "displayName": HOSTILE, "dataType": "GPDataFile", "defaultValue": None,
         "direction": "esriGPParameterDirectionOutput"},
    ],
}  # fmt: skip
LOD = Lod(3, NumberText("0.00002"), NumberText("591657527.591555"))
FIGURES = CacheFigures((LevelFigures(LOD, 1234, 5_600_000),), b"png")
MESSAGES = [{"type": "esriJobMessageTypeWarning", "description": HOSTILE}]


def job_context(status: str = "esriJobExecuting", **changes: Any) -> dict[str, Any]:
    context = {
        "job": {"jobStatus": status, "messages": MESSAGES, "progress": {"message": HOSTILE, "percent": 40}},
        "task": "ExportTiles",
        "service_name": HOSTILE,
        "is_active": status == "esriJobExecuting",
        "elapsed": "1.5 seconds",
        "planned": PlannedSize(1234, 5_600_000, 0, ((3, 1234, 5_600_000),)),
        "download": None,
        "estimate": None,
        "verification": None,
        "samples": None,
        "parts": None,
        "files": [],
        "folder": None,
        "report": None,
        "job_url": JOB,
        "cancel_url": f"{JOB}/cancel",
        "job_id": "j1",
        "form_url": f"{BASE}/exportTiles",
        "export_url": f"{BASE}/exportTiles",
        "results": [],
        "inputs": [("levels", f"{JOB}/inputs/levels", HOSTILE)],
    }
    return context | changes


ENDED = job_context(
    "esriJobSucceeded",
    download=6_543_210,
    files=[(HOSTILE, f"{ROOT}/directories/arcgisoutput/j1/World.tpkx", 6_543_210)],
    report=f"{ROOT}/directories/arcgisoutput/j1/report.json",
    results=[("out_service_url", f"{JOB}/results/out_service_url")],
    verification={
        "passed": False,
        "summary": HOSTILE,
        "note": HOSTILE,
        "more": 3,
        "findings": [
            {"rule": HOSTILE, "severity": "error", "where": {"file": HOSTILE}, "found": HOSTILE, "expected": HOSTILE}
        ],
    },
)
FORM = {
    "service": SERVICE,
    "tiles_url": f"{BASE}/tile",
    "parameters": PARAMETERS,
    "values": {"tilePackage": "true", "levels": HOSTILE, "areaOfInterest": HOSTILE},
    "folded": {"exportBy", "f"},
    "levels": (LOD,),
    "preview_url": f"{BASE}/preview",
    "limit": 100_000,
    "form_url": f"{BASE}/exportTiles",
    "export_url": f"{BASE}/exportTiles",
    "estimate_url": f"{BASE}/estimateExportTilesSize",
    "samples_url": f"{BASE}/sampleCompressions",
}
LISTED = ListedJob("j" + "1" * 32, HOSTILE, HOSTILE, JOB, JobStatus.SUCCEEDED, datetime(2026, 1, 2, tzinfo=UTC), 7, 999)
ENTRY = CacheEntry("World", HOSTILE, HOSTILE, BASE, "3", FIGURES, "", (("ImageServer", BASE),))
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "directory": ("directory.html", {"folders": [(HOSTILE, f"{ROOT}/services/x")],
                                     "caches": [ENTRY], "services": [(HOSTILE, "GPServer", BASE)]}),
    "service": ("image_service.html", {"service": SERVICE, "tiles_url": f"{BASE}/tile",
                                       "operations": [("Export Tiles", f"{BASE}/exportTiles")],
                                       "figures": FIGURES, "levels": [(LOD, FIGURES.levels[0])], "filled_levels": {3},
                                       "tile_template": f"{HOSTILE}/{{z}}/{{y}}/{{x}}"}),
    "form": ("export_tiles.html", FORM),
    "running": ("job.html", job_context()),
    "ended": ("job.html", ENDED),
    "jobs": ("jobs.html", {"jobs": [LISTED], "owner": HOSTILE, "hours": 24}),
    "result": ("result.html", {"result": {"paramName": HOSTILE, "value": HOSTILE, "more": {HOSTILE: HOSTILE}}}),
    "gp-service": ("gp_service.html", {"service": {"serviceDescription": HOSTILE, "x": 1}, "tasks": [(HOSTILE, BASE)]}),
    "gp-task": ("gp_task.html", {"task": TASK, "submit_url": f"{BASE}/submitJob", "caches": {HOSTILE: BASE}}),
    "error": ("error.html", {"code": 499, "message": HOSTILE, "details": [HOSTILE], "has_users": True,
                             "has_tokens": True, "sign_in_url": f"{ROOT}/signIn", "next_page": HOSTILE}),
}  # fmt: skip


def render_page(name: str) -> str:
    template, context = PAGES[name]
    shared = {"page_url": BASE, "title": HOSTILE, "breadcrumbs": [(HOSTILE, f"{ROOT}/services")]}
    return render(template, "", **shared, **context)


def parse_page(name: str) -> Any:
    return html.document_fromstring(render_page(name))


def render_template(template: str, **context: Any) -> Any:
    return html.document_fromstring(render(template, "", page_url=BASE, title="x", breadcrumbs=[], **context))


every_page = pytest.mark.parametrize("name", PAGES)


@every_page
def test_values_are_escaped(name: str) -> None:
    page = parse_page(name)
    assert HOSTILE in page.xpath("//title")[0].text
    assert HOSTILE in page.xpath("//h1")[0].text_content()
    assert {image.get("src") for image in page.xpath("//img[@src]")} == {f"{ROOT}/static/icon.svg"}
    assert not page.xpath("//*[contains(., 'alert(1)') and self::script]")


@every_page
def test_pages_conform_to_the_content_security_policy(name: str) -> None:
    page = parse_page(name)
    for script in page.iter("script"):
        assert script.get("src").startswith(f"{ROOT}/static/")
        assert not script.text
    assert not list(page.iter("style", "iframe", "object", "base"))
    names = {attribute for element in page.iter() for attribute in element.attrib}
    assert not [name for name in names if name == "style" or name.startswith("on")]
    assert not [url for _, _, url, _ in page.iterlinks() if not url.startswith(("/", "#"))]


@every_page
def test_static_files_of_pages_exist(name: str) -> None:
    prefix = f"{ROOT}/static/"
    urls = [url for _, _, url, _ in parse_page(name).iterlinks() if url.startswith(prefix)]
    assert {url.removeprefix(prefix) for url in urls} <= static_files().keys()
    assert f"{prefix}style.css" in urls


@every_page
def test_links_and_forms_have_no_token(name: str) -> None:
    assert "token=" not in render_page(name)
    assert parse_page(name).xpath("//input[@type='hidden']/@name") == (["next"] * 2 if name == "error" else [])


@every_page
def test_fields_have_labels_and_ids_are_unique(name: str) -> None:
    page = parse_page(name)
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    labelled = set(page.xpath("//label/@for"))
    fields = page.xpath("//*[self::input[not(@type='hidden')] or self::select or self::textarea]")
    assert {field.get("id") for field in fields} == labelled
    assert set(page.xpath("//@aria-describedby")) <= set(ids)
    assert page.xpath("//meta[@name='viewport']")


def test_link_escapes_its_query() -> None:
    assert link("/a", f="pjson", job="x&y=") == "/a?f=pjson&job=x%26y%3D"
    assert link("/a") == "/a"


def test_pages_link_to_json_except_forms_that_would_start_a_job() -> None:
    assert parse_page("service").xpath(f"//a[@href='{BASE}?f=pjson']")
    assert not parse_page("form").xpath("//a[contains(@href, 'pjson')]")


def test_form_has_a_field_for_every_parameter() -> None:
    form = parse_page("form").get_element_by_id("export")
    folded = [item.name for item in PARAMETERS if item.name in FORM["folded"]]
    assert form.xpath("./details//@name") == folded
    others = [item.name for item in PARAMETERS if item.name not in folded]
    assert form.xpath(".//@name") == [*others, *folded]
    assert form.xpath(".//select[@id='exportBy']/option/text()") == ["LevelID", "Resolution", "Scale"]
    assert form.xpath(".//select[@id='exportBy']/option[@selected]/text()") == ["LevelID"]
    assert form.xpath(".//select[@id='storageFormatType']/option[@value='']/text()") == ["Not specified"]
    quality = form.get_element_by_id("compressionQuality")
    assert (quality.get("min"), quality.get("max"), quality.get("value")) == ("0", "100", "")
    assert form.get_element_by_id("levels").get("value") == HOSTILE
    assert form.get_element_by_id("areaOfInterest").text == HOSTILE
    assert form.xpath(".//input[@checked]/@name") == ["tilePackage"]


def test_unchecked_box_means_the_default() -> None:
    assert {item.default for item in PARAMETERS if item.type == "GPBoolean"} == {False}


def test_form_has_a_button_for_each_operation() -> None:
    page = parse_page("form")
    form = page.get_element_by_id("export")
    assert form.get("action") == FORM["form_url"]
    buttons = page.xpath("//button[@type='submit']")
    assert [button.get("formaction") for button in buttons] == [
        FORM[name] for name in ("export_url", "estimate_url", "samples_url")
    ]
    assert {button.get("form") for button in buttons} == {"export"}
    assert form.get("method") == "post"


def test_map_has_the_json_of_its_service() -> None:
    element = parse_page("form").get_element_by_id("map")
    assert json.loads(element.get("data-service")) == SERVICE
    assert element.get("data-tiles") == f"{BASE}/tile"


def test_page_of_a_running_job_refreshes_without_scripts() -> None:
    page = parse_page("running")
    assert page.xpath("//noscript/meta/@content") == [f"2; url={JOB}"]
    assert page.xpath("//progress/@value") == ["40"]
    assert page.xpath(f"//form[@action='{JOB}/cancel']//button")
    assert json.loads(page.get_element_by_id("job").get("data-statuses"))["esriJobExecuting"] == {
        "label": "Running",
        "isEnded": False,
    }


def test_page_of_an_ended_job_links_to_its_files() -> None:
    page = parse_page("ended")
    assert not list(page.iter("noscript", "progress", "form", "script"))
    [package, _] = page.xpath("//a[@download]")
    assert "6.5 MB" in package.text_content()
    assert page.xpath("//dl[@class='amounts']//dd[@id]/text()") == ["1,234", "5.6 MB", "6.5 MB"]
    assert not page.xpath("//dd[@class='saving']")
    smaller = render_template("job.html", **job_context("esriJobSucceeded", download=1_400_000))
    assert smaller.xpath("//dd[@class='saving']/text()") == ["75 % less"]
    assert page.xpath("//table[@id='planned-levels']//tr[@data-level='3']/td/text()") == ["1,234", "5.6 MB"]


def test_page_of_an_ended_job_shows_the_verification_of_its_package() -> None:
    section = parse_page("ended").get_element_by_id("verification")
    assert section.xpath("string(.//strong)") == "Not passed"
    assert [item.get("data-type") for item in section.xpath(".//li")] == ["Error"]
    passed = {"passed": True, "summary": "every rule holds", "note": "No device", "findings": [], "more": 0}
    page = render_template("job.html", **job_context("esriJobSucceeded", verification=passed))
    assert "Passed: every rule holds" in " ".join(page.get_element_by_id("verification").text_content().split())
    assert not parse_page("running").xpath("//*[@id='verification']")


def test_page_of_sample_compressions_leads_to_them_and_back_to_the_form() -> None:
    recommended = {"quality": 63, "totalSize": 999, "worstScore": 79.66}
    samples = {"recommended": recommended, "totalTiles": 7, "scoredTiles": 6, "threshold": 70.0, "page": f"{ROOT}/page"}
    page = render_template(
        "job.html", **job_context("esriJobSucceeded", samples=samples, files=[("samples.html", "/x", 9)], report="/r")
    )
    links = page.xpath("//ul[@class='files']//a/@href")
    assert links == [f"{ROOT}/page", f"{BASE}/exportTiles?job=j1&quality=63", "/r"]
    assert page.xpath("//dl[@class='amounts']//dd/text()")[0] == "7"
    text = " ".join(page.get_element_by_id("recommendation").text_content().split())
    assert text.startswith("Quality 63 is recommended.")
    assert text.endswith("of 6 scored tiles reaches 70: it scores 79.66.")


def test_pages_of_datasets_and_estimates() -> None:
    dataset = render_template("job.html", **job_context("esriJobSucceeded", folder="/out"))
    assert dataset.xpath("//a[@href='/out']/text()") == ["Dataset files"]
    estimated = {"totalSize": 999, "totalTilesToExport": 7}
    estimate = render_template("job.html", **job_context("esriJobSucceeded", planned=None, estimate=estimated))
    assert estimate.xpath("//dl[@class='amounts']//dd/text()") == ["7", "999 B"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"http://host:1{ROOT}/directories/x", [f"{ROOT}/directories/x"]),
        (f"http://elsewhere{ROOT}/../x", [f"{ROOT}/../x"]),
        ("http://elsewhere/x", []),
        (f"javascript:{ROOT}/x", []),
        (f"//elsewhere{ROOT}/x", []),
        ("http://[", []),
        (7, []),
    ],
)
def test_only_urls_of_this_service_become_links(value: object, expected: list[str]) -> None:
    page = render_template("result.html", result={"value": value, "inner": {"url": value}})
    assert page.xpath("//dd//a/@href") == 2 * expected
    assert [str(value)] * 2 == [item.text_content().strip() for item in page.xpath("//dd")]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(999, "999 B"), (1000, "1.0 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (5 * 10**15, "5000 TB")],
)
def test_sizes_are_formatted_and_exact_in_the_title(count: int, expected: str) -> None:
    estimated = {"totalSize": count, "totalTilesToExport": 0}
    size = render_template("job.html", **job_context(estimate=estimated)).get_element_by_id("amounts-size")
    assert (size.text, size.get("title")) == (expected, f"{count:,} bytes")


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour `#rrggbb` (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_sufficient_contrast_in_both_colour_schemes(scheme: str) -> None:
    style = static_files()["style.css"].decode()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in style.split("@media")[:2])
    colours = light if scheme == "light" else dark
    texts = ("ink", "quiet", "accent", "accent-strong", "good", "warn", "bad")
    pairs = [*product(texts, ("card", "paper", "tint")), ("on-accent", "accent")]
    for text, background in pairs:
        lower, higher = sorted((luminance(colours[text]), luminance(colours[background])))
        assert (higher + 0.05) / (lower + 0.05) >= 4.5, (text, background)


def test_leaflet_includes_its_licence() -> None:
    assert b"BSD 2-Clause" in static_files()["leaflet/LICENSE"]
    assert b"sourceMappingURL" not in static_files()["leaflet/leaflet.js"]
