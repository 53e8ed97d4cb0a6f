"""Tests of the indexes that are kept: none is another one, few are in memory, and they need no disk."""

from __future__ import annotations

import random
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gptool.cache import kept_heads
from gptool.cache.kept_heads import KeptHeads


def head(number: int, size: int = 2000) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return bytes that cannot be compressed."""
    return np.frombuffer(random.Random(number).randbytes(size), np.uint8)


def found(heads: KeptHeads, number: int) -> bool:
    """Return whether the bytes of a number are kept; they are never those of another one."""
    kept = heads.find(("s3://bucket/x", number))
    assert kept is None or kept.tobytes() == head(number).tobytes()
    return kept is not None


@pytest.mark.parametrize("max_memory", [0, 10_000, 1 << 20], ids=["file", "memory, then file", "memory"])
def test_heads_are_found_by_their_keys(monkeypatch: pytest.MonkeyPatch, max_memory: int) -> None:
    monkeypatch.setattr(kept_heads, "MAX_MEMORY_BYTES", max_memory)
    with closing(KeptHeads()) as heads:
        for number in range(20):
            heads.add(("s3://bucket/x", number), head(number))
            heads.add(("s3://bucket/x", number), head(number))
        assert all(found(heads, number) for number in range(20))
        assert not found(heads, 20)


def test_oldest_are_forgotten_when_there_are_too_many() -> None:
    with closing(KeptHeads(max_bytes=20_500)) as heads:
        for number in range(35):
            heads.add(("s3://bucket/x", number), head(number))
            assert found(heads, number)
        kept = [number for number in range(35) if found(heads, number)]
    assert kept == list(range(kept[0], 35))
    assert 10 < len(kept) <= 20


def test_heads_are_not_kept_if_the_disk_takes_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept_heads, "MAX_MEMORY_BYTES", 10_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with closing(KeptHeads()) as heads:
        for number in range(100):
            heads.add(("s3://bucket/x", number), head(number))
        kept = [number for number in range(100) if found(heads, number)]
    assert 0 < len(kept) < 20
