"""Figures of caches: counted once per cache, beside the requests, and the texts of the settings."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gptool.service import figures
from gptool.service.catalog import Catalog, service_json
from gptool.service.figures import FigureCounter
from gptool.service.settings import read_service_settings
from gptool.settings import CacheSettings
from helpers.caches import make_cache, world


def test_cache_is_counted_once_until_it_is_opened_again(cache: Path) -> None:
    settings = {"World": CacheSettings(cache)}
    counter, first, again = FigureCounter(), Catalog(settings).service("World"), Catalog(settings).service("World")

    async def ask() -> list[object]:
        return [(await counter.figures([service]))[0] for service in (first, first, again)]

    found = asyncio.run(ask())
    assert found[0] is found[1]
    assert found[1] is not found[2]
    assert found[0] == found[2]


def test_pages_do_not_wait_for_a_slow_count(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends, the count goes on."""
    monkeypatch.setattr(figures, "WAIT_SECONDS", 0)
    counter, service = FigureCounter(), Catalog({"World": CacheSettings(cache)}).service("World")

    async def ask() -> int:
        [found] = await counter.figures([service])
        rounds = 0
        while found is None:
            rounds += 1
            await asyncio.sleep(0.01)
            [found] = await counter.figures([service])
        assert found.tiles == len(world())
        return rounds

    assert asyncio.run(ask()) >= 1


def test_broken_cache_has_no_figures_and_the_next_is_counted(cache: Path, tmp_path: Path) -> None:
    broken = make_cache(tmp_path / "broken", world())
    catalog = Catalog({"Broken": CacheSettings(broken), "World": CacheSettings(cache)})
    services = [catalog.service(name) for name in catalog.names]
    for bundle in broken.rglob("*.bundle"):
        bundle.write_bytes(b"not a bundle")
    [none, found] = asyncio.run(FigureCounter().figures(services))
    assert none is None
    assert found is not None
    assert found.tiles == len(world())


def test_texts_of_the_settings_are_in_the_json_of_both_types(cache: Path, tmp_path: Path) -> None:
    texts = 'title = "Title"\ndescription = "Description"\ncopyright = "©"\n'
    (tmp_path / "service.toml").write_text(f"[caches.World]\nlocation = {json.dumps(str(cache))}\n{texts}", "utf-8")
    service = Catalog(read_service_settings(tmp_path / "service.toml").caches).service("World")
    for service_type in ("ImageServer", "MapServer"):
        value = service_json(service, service_type)
        assert (value["serviceDescription"], value["copyrightText"]) == ("Description", "©")
    assert service_json(service, "MapServer")["documentInfo"]["Title"] == "Title"
