"""S3 as moto answers it, behind a proxy that records requests and fails on purpose, and caches to export."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptool.cache.object_client import make_client
from helpers.caches import conf_text, jpeg_tile, large_tile, make_cache
from helpers.fault_proxy import FaultProxy, fault_proxy
from helpers.moto_server import moto_server, stored_objects
from helpers.object_server import SECRET

LARGE_LEVEL = 9


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def proxy(moto: str) -> Iterator[FaultProxy]:
    with fault_proxy(moto) as running:
        yield running


@pytest.fixture
def client(moto: str) -> Any:
    """A client that reaches the store itself."""
    import boto3

    return boto3.client("s3", "us-east-1", endpoint_url=moto, aws_access_key_id="AKID", aws_secret_access_key=SECRET)


@pytest.fixture
def bucket(moto: str, proxy: FaultProxy, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an empty bucket; exports to it are staged in the folder `staging`."""
    for variable, value in {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "TMPDIR": str(tmp_path / "staging"),
    }.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "staging").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    client.create_bucket(Bucket="results")
    make_client.cache_clear()
    yield "results"
    make_client.cache_clear()
    for key in stored_objects(client, "results"):
        client.delete_object(Bucket="results", Key=key)
    for upload in client.list_multipart_uploads(Bucket="results").get("Uploads", []):
        client.abort_multipart_upload(Bucket="results", Key=upload["Key"], UploadId=upload["UploadId"])
    client.delete_bucket(Bucket="results")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of two bundles of about 10 MB, which are uploaded by parts, and three small ones."""
    tiles = {(LARGE_LEVEL, 128 * (i % 2) + i // 128, i % 128): large_tile(i) for i in range(330)}
    tiles |= {(level, 0, 0): jpeg_tile(level) for level in range(3)}
    return make_cache(tmp_path_factory.mktemp("large") / "large", tiles, conf=conf_text(range(LARGE_LEVEL + 1)))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of twenty bundles of few tiles."""
    tiles = {(9, 128 * (i % 4), 128 * (i // 8) + i % 8): jpeg_tile(i) for i in range(40)}
    return make_cache(tmp_path_factory.mktemp("many") / "many", tiles, conf=conf_text(range(10)))
