"""Exports that are interrupted, whose source changes, or that meet limits of the system."""

from __future__ import annotations

import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool import errors, estimate_export_tiles_size, export_tiles
from gptool.export.report import MAX_LISTED_IN_BUNDLE
from gptool.export.scheduler import _Monitor
from gptool.export.unit import run_unit
from gptool.model import Phase
from helpers.caches import jpeg_tile, make_cache, world
from helpers.checks import check_nothing_left
from helpers.packages import make_tpkx
from helpers.tile_readers import read_cache, read_package
from helpers.waiting import TIMEOUT


@pytest.mark.parametrize("name", ["x", "x.tpkx"])
def test_interrupt_while_a_thread_starts(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The pool does not know the thread, which continues its unit of work; the export waits until that ends."""
    start, stop = threading.Thread.start, _Monitor.stop
    at_work, stopping, done = threading.Event(), threading.Event(), threading.Event()

    def start_and_interrupt(self: threading.Thread) -> None:
        start(self)
        if self.name.startswith("gptool"):
            assert at_work.wait(TIMEOUT)
            raise KeyboardInterrupt

    def work_until_stopped(*arguments: Any) -> Any:
        at_work.set()
        assert stopping.wait(TIMEOUT)
        try:
            return run_unit(*arguments)
        finally:
            done.set()

    def notify_and_stop(self: _Monitor) -> None:
        stopping.set()
        stop(self)

    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    monkeypatch.setattr("gptool.export.scheduler.run_unit", work_until_stopped)
    monkeypatch.setattr(_Monitor, "stop", notify_and_stop)
    with pytest.raises(KeyboardInterrupt):
        export_tiles(cache, tmp_path / name)
    assert done.is_set()
    check_nothing_left(tmp_path)


def test_package_replaced_during_the_export_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages differ in their tiles only, not in size and structure."""
    source, other = (
        make_tpkx(tmp_path / name, dict.fromkeys(world(), jpeg_tile(seed).ljust(3000, b"\0")))
        for name, seed in (("source.tpkx", 1), ("other.tpkx", 2))
    )
    assert source.stat().st_size == other.stat().st_size
    units: list[object] = []

    def replace_and_run(*arguments: Any) -> Any:
        units.append(arguments)
        if len(units) == 2:
            other.replace(source)
        return run_unit(*arguments)

    monkeypatch.setattr("gptool.export.scheduler.run_unit", replace_and_run)
    with pytest.raises(errors.CacheError, match=r"source\.tpkx: package was modified or replaced while it was read"):
        export_tiles(source, tmp_path / "x.tpkx", workers=1)
    check_nothing_left(tmp_path, "source.tpkx")


def test_slow_bundle_does_not_delay_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bundle ends after all others."""
    tiles = {(8, 128 * number, 0): jpeg_tile(number) for number in range(12)}
    others = threading.Semaphore(0)

    def run_first_bundle_last(unit: Any, *more: Any) -> Any:
        result = run_unit(unit, *more)
        if unit.address.row == 0:
            assert all(others.acquire(timeout=TIMEOUT) for _ in range(11))
        else:
            others.release()
        return result

    monkeypatch.setattr("gptool.export.scheduler.run_unit", run_first_bundle_last)
    result = export_tiles(make_cache(tmp_path / "cache", tiles), tmp_path / "x.tpkx", workers=2)
    assert read_package(result.path) == tiles


def test_partial_writes_are_completed(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network drives and quotas may write less than requested."""
    written: list[int] = []

    class PartialFile(io.FileIO):
        def write(self, data: Any, /) -> int:
            written.append(super().write(memoryview(data)[:1000]))
            return written[-1]

    monkeypatch.setattr("io.FileIO", PartialFile)
    export_tiles(cache, tmp_path / "x")
    monkeypatch.undo()
    assert written.count(1000) > 100
    assert read_cache(tmp_path / "x") == world()


@pytest.mark.parametrize("workers", [10**30, 1025])
def test_too_many_workers_are_rejected(cache: Path, tmp_path: Path, workers: int) -> None:
    with pytest.raises(
        errors.ParameterError, match=r"workers: value is out of range; .* expected an integer from 1 to 1024"
    ):
        export_tiles(cache, tmp_path / "x.tpkx", workers=workers)


def test_thread_that_cannot_start_is_an_error(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(errors.GptoolError, match="workers: cannot start another thread"):
            export_tiles(cache, tmp_path / "x.tpkx", workers=7)
    check_nothing_left(tmp_path)


def test_simultaneous_estimates_do_not_change_warning_filters(tmp_path: Path) -> None:
    tiles = {address: tile[:-30] for address, tile in world().items()}
    cache = make_cache(tmp_path / "cache", tiles)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = {estimate.total_size for estimate in pool.map(estimate_export_tiles_size, [cache] * 40)}
    assert warnings.filters == before
    assert len(sizes) == 1


def test_number_of_listed_damaged_tiles_is_limited(tmp_path: Path) -> None:
    """All tiles are copied and counted; reports list a limited number."""
    tiles = {(8, row, column): b"RIFF" for row in range(40) for column in range(100, 156)}
    result = export_tiles(make_cache(tmp_path / "cache", tiles, share=True), tmp_path / "x.tpkx")
    assert (result.tiles, result.total.tiles_damaged) == (2240, 2240)
    columns = np.array([tile.column for tile in result.damaged])
    assert (np.count_nonzero(columns < 128), np.count_nonzero(columns >= 128)) == (
        MAX_LISTED_IN_BUNDLE,
        MAX_LISTED_IN_BUNDLE,
    )


def test_exception_of_progress_is_raised(cache: Path, tmp_path: Path) -> None:
    def stop(phase: Phase, done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        export_tiles(cache, tmp_path / "x.tpkx", progress=stop)
    check_nothing_left(tmp_path)


def test_output_that_is_a_circular_link_is_replaced(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").symlink_to("x.tpkx")
    assert export_tiles(cache, tmp_path / "x.tpkx", levels="0", overwrite=True).tiles == 1
    check_nothing_left(tmp_path, "x.tpkx")
