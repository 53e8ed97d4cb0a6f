"""The catalogue checks once in a while whether a cache was replaced, and only one request waits for that."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gptool.cache import TileCache
from gptool.errors import CacheError, ServiceError
from gptool.service import catalog
from gptool.service.catalog import Catalog
from gptool.settings import CacheSettings
from helpers.caches import jpeg_tile, make_cache, world
from helpers.waiting import TIMEOUT


@pytest.fixture
def published(tmp_path: Path) -> Catalog:
    return Catalog({"World": CacheSettings(make_cache(tmp_path / "c", world()))})


def test_cache_stays_open_while_it_is_checked(published: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, released = threading.Event(), threading.Event()
    original = catalog.cache_signature

    def slow(cache: TileCache) -> tuple[int, ...]:
        entered.set()
        assert released.wait(TIMEOUT)
        return original(cache)

    async def run() -> None:
        first = await published.find("World")
        monkeypatch.setattr(catalog, "cache_signature", slow)
        monkeypatch.setattr(catalog, "CHECK_SECONDS", -1.0)
        checking = asyncio.create_task(published.find("World"))
        await asyncio.to_thread(entered.wait, TIMEOUT)
        monkeypatch.setattr(catalog, "CHECK_SECONDS", TIMEOUT)
        assert await asyncio.wait_for(published.find("World"), TIMEOUT) is first
        assert not checking.done()
        released.set()
        assert await checking is first
        assert await published.find("World") is first

    try:
        asyncio.run(run())
    finally:
        released.set()


def test_cache_that_is_replaced_is_opened_again(
    tmp_path: Path, published: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await published.find("World")
        (tmp_path / "c").rename(tmp_path / "old")
        assert await published.find("World") is first  # not checked yet
        monkeypatch.setattr(catalog, "CHECK_SECONDS", -1.0)
        with pytest.raises(CacheError):
            await published.find("World")
        monkeypatch.setattr(catalog, "CHECK_SECONDS", TIMEOUT)
        with pytest.raises(CacheError):  # all requests fail now, not only those that check
            await published.find("World")
        make_cache(tmp_path / "c", {(1, 0, 0): jpeg_tile(1)})
        second = await published.find("World")
        assert [lod.level for lod in second.levels] == [1]
        assert await published.find("World") is second

    asyncio.run(run())


def test_unknown_services_are_not_remembered(published: Catalog) -> None:
    async def run() -> None:
        for number in range(3):
            with pytest.raises(ServiceError, match="service not found"):
                await published.find(f"unknown{number}")
        assert published._checked.keys() == {"World"}

    asyncio.run(run())


def test_caches_are_opened_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for the others: opened one after another, the first would wait for ever."""
    locations = {name: CacheSettings(make_cache(tmp_path / name, world())) for name in ("A", "B", "C")}
    barrier, open_one = threading.Barrier(3, timeout=TIMEOUT), catalog._open_service

    def open_with_others(name: str, settings: CacheSettings) -> catalog.CachedService:
        barrier.wait()
        return open_one(name, settings)

    monkeypatch.setattr(catalog, "_open_service", open_with_others)
    assert Catalog(locations).names == ["A", "B", "C"]
