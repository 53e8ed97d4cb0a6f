"""The page of sample compressions as a file: whole, self-contained, escaped, bounded."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

import gptool
from gptool.errors import OutputError, OutputExistsError
from gptool.model import Message
from gptool.samples.figures import QualityFigures
from gptool.samples.page import POLICY_BYTES, PageLinks, make_page, stated_policy
from gptool.samples.report import Samples

HOSTILE = "\"><script>alert('1')</script>&amp;<img src=x onerror=alert(1)>\x00\u202e"
VOID = {"meta", "img", "input"}


class Elements(HTMLParser):
    """The elements of a page, in their order; end tags must match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def sampled(cache: Path) -> Samples:
    return gptool.sample_compressions(cache, qualities=[30, 60, 90], count=10)


@pytest.fixture(scope="module")
def elements(sampled: Samples) -> Elements:
    return Elements(sampled.to_html())


def test_page_refers_to_nothing_outside(elements: Elements) -> None:
    outside = {"href", "srcset", "action", "formaction", "data", "poster", "xlink:href"}
    assert not [attributes for _, attributes in elements.found if outside & attributes.keys()]
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in elements.all("img"))
    assert not any("src" in script for script in elements.all("script"))
    assert not re.search(r"url\(|@import|https?:", "".join(elements.texts["style"]))


def test_policy_allows_the_script_and_the_style_alone(elements: Elements) -> None:
    [policy] = [str(meta["content"]) for meta in elements.all("meta") if "http-equiv" in meta]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    for name in ("style", "script"):
        [text] = elements.texts[name]
        assert rules[f"{name}-src"] == f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
    assert not [attributes for _, attributes in elements.found if "style" in attributes]


def test_policy_is_in_the_first_bytes(sampled: Samples, elements: Elements) -> None:
    page = replace(sampled, name=HOSTILE).to_html().encode()
    [policy] = [str(meta["content"]) for meta in elements.all("meta") if "http-equiv" in meta]
    assert stated_policy(page[:POLICY_BYTES]) == policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    "start", [b"", b"<html>", b'http-equiv="Content-Security-Policy" content="x', b'content="script-src *"']
)
def test_file_without_a_policy_is_allowed_nothing(start: bytes) -> None:
    assert stated_policy(start) == "default-src 'none'"


def test_links_of_a_service_are_escaped_and_lead_to_each_quality(sampled: Samples) -> None:
    elements = Elements(make_page(sampled, PageLinks('a"><b', "form?a=1&quality=")))
    best = sampled.recommended.quality
    qualities = [best, *(figures.quality for figures in sampled.all_figures)]
    assert [link["href"] for link in elements.all("a")] == ['a"><b', *(f"form?a=1&quality={q}" for q in qualities)]
    assert elements.all("b") == []


def test_names_of_controls_and_ids_are_complete(elements: Elements) -> None:
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len({*ids})
    labels = {label.get("for") for label in elements.all("label")}
    inputs = {attributes["id"] for attributes in elements.all("input")}
    assert inputs - labels == {"all"}, "whose label encloses it"
    assert all(image["alt"] for image in elements.all("img"))


def test_images_are_the_tiles_and_their_results_once(sampled: Samples, elements: Elements) -> None:
    images = elements.all("img")
    for tile in sampled.tiles:
        results = list(dict.fromkeys(result.data for result in tile.results))
        own, images = images[: 1 + len(results)], images[1 + len(results) :]
        assert [b64decode(str(image["src"]).partition(",")[2]) for image in own] == [tile.data, *results]
        assert {(image["width"], image["height"]) for image in own} == {("64", "64")}
        assert [image["class"] for image in own] == ["before", *["after"] * len(results)]
        assert [quality for image in own[1:] for quality in str(image["data-qualities"]).split()] == [
            str(result.quality) for data in results for result in tile.results if result.data == data
        ]
        assert sum("hidden" not in image for image in own) == 2
    assert images == []


def test_figures_are_in_the_page(sampled: Samples) -> None:
    page = sampled.to_html()
    for figures in sampled.all_figures:
        assert f'title="{figures.total_size:,} bytes"' in page
    for tile in sampled.tiles:
        assert f"Level {tile.address.level}, row {tile.address.row}, column {tile.address.column}" in page
        assert all(f"<td>{result.size:,}</td><td>{result.score:.1f}</td>" in page for result in tile.results)


def test_page_is_little_larger_than_its_images(sampled: Samples) -> None:
    images = sum(len(t.data) + sum({r.data: r.size for r in t.results}.values()) for t in sampled.tiles)
    assert len(sampled.to_html()) < images * 4 / 3 + 25_000 + 4_000 * len(sampled.tiles)


def test_hostile_texts_are_escaped(sampled: Samples, elements: Elements) -> None:
    hostile = replace(sampled, name=HOSTILE, messages=(Message("Warning", HOSTILE),))
    found = Elements(hostile.to_html())
    listed = [("ul", {"class": "notes"}), ("li", {})]
    assert [element for element in found.found if element not in listed] == elements.found
    assert any("<script>alert" in text for text in found.texts["h1"])


@pytest.mark.posix("names that Windows does not allow")
def test_name_of_the_cache_is_escaped(tmp_path: Path, cache: Path) -> None:
    place = tmp_path / "<b onclick='x'>&"
    place.symlink_to(cache)
    page = gptool.sample_compressions(place, levels="0", qualities=[50]).to_html()
    assert "<b onclick" not in page
    assert "&lt;b onclick=&#x27;x&#x27;&gt;&amp;" in page


@pytest.mark.parametrize(
    ("sizes", "scores"),
    [((1000, 1000), (100.0, 100.0)), ((5, 10**13), (-300.0, 99.9)), ((0, 1), (70.0, 70.0))],
    ids=["equal", "far apart", "small"],
)
def test_plot_holds_any_figures(sampled: Samples, sizes: tuple[int, int], scores: tuple[float, float]) -> None:
    figures = [
        QualityFigures(quality, size, (size, size), score, score, None)
        for quality, size, score in zip((0, 100), sizes, scores, strict=True)
    ]
    changed = replace(
        sampled, qualities=tuple(figures), recommended=figures[1], copied_size=sizes[1], steps=((0, 99), (100, 100))
    )
    found = Elements(changed.to_html())
    for circle in found.all("circle"):
        assert 56 <= float(circle["cx"] or 0) <= 616
        assert 24 <= float(circle["cy"] or 0) <= 320
    assert len(found.all("rect")) == 2


def test_file_is_written_whole_or_not_at_all(sampled: Samples, tmp_path: Path) -> None:
    target = sampled.write_html(tmp_path / "new" / "page.html")
    assert target.read_text(encoding="utf-8") == sampled.to_html()
    target.write_text("other")
    with pytest.raises(OutputExistsError, match="already exists"):
        sampled.write_html(target)
    assert target.read_text() == "other"
    assert sampled.write_html(target, overwrite=True) == target
    assert target.read_text(encoding="utf-8") == sampled.to_html()
    with pytest.raises(OutputError, match="cannot replace a folder with a file"):
        sampled.write_html(tmp_path / "new", overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "page.html"]
