"""Results in a store: those of a disk, existing ones, and outputs that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, info, verify
from gptool.cache.object_writer import PART_BYTES
from gptool.model import Phase
from helpers.caches import world
from helpers.fault_proxy import FaultProxy
from helpers.moto_server import stored_objects
from helpers.stored_results import RESULTS, check_stored, local_result

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")


@pytest.mark.parametrize(("name", "options"), RESULTS.values(), ids=RESULTS)
def test_result_is_that_on_a_disk(
    cache: Path, tmp_path: Path, bucket: str, client: Any, name: str, options: dict[str, Any]
) -> None:
    url = f"s3://{bucket}/{name}"
    result = export_tiles(cache, url, **options)
    expected = local_result(cache, tmp_path, name, json.dumps(options))
    check_stored(client, bucket, name, expected, tmp_path)
    assert str(result.path) == url
    assert result.size == sum(map(len, expected.values()))
    assert info(url).plan.tiles == result.tiles == len(world())
    assert verify(url).passed


@pytest.mark.parametrize("name", ["x.tpkx", "x"])
def test_large_results_are_uploaded_by_parts(
    large: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, name: str
) -> None:
    phases: list[tuple[int, int]] = []

    def progress(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.UPLOADING:
            phases.append((done, total))

    export_tiles(large, f"s3://{bucket}/{name}", progress=progress)
    expected = local_result(large, tmp_path, name)
    check_stored(client, bucket, name, expected, tmp_path)
    parts = [sent for sent in proxy.of("PUT") if "partNumber" in sent.query]
    assert len(parts) == sum(-(-len(data) // PART_BYTES) for data in expected.values() if len(data) >= PART_BYTES) > 2
    assert max(sent.size for sent in parts) == PART_BYTES
    assert phases == sorted(phases)
    assert {total for _, total in phases} <= {
        sum(map(len, expected.values())),
        sum(map(len, expected.values())) - len(expected.get("conf.xml", b"")),
    }


def test_target_size(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    export_tiles(cache, f"s3://{bucket}/x.tpkx", target_size=1_500_000)
    check_stored(
        client, bucket, "x.tpkx", local_result(cache, tmp_path, "x.tpkx", '{"target_size": 1500000}'), tmp_path
    )


def test_from_one_store_to_another(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    """The cache is a result in the same bucket."""
    export_tiles(cache, f"s3://{bucket}/a")
    export_tiles(f"s3://{bucket}/a", f"s3://{bucket}/b/x", compression_quality=40)
    options = '{"compression_quality": 40}'
    assert stored_objects(client, bucket, "b/x") == local_result(cache, tmp_path, "x", options)
