"""S3 as moto answers it, which knows signatures, listings in pages and the errors of AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from gptool import export_tiles, info, open_cache
from gptool.cache import TileCache
from gptool.cache.object_client import make_client
from gptool.errors import CacheError
from helpers.caches import conf_text, make_cache, make_exploded_cache, square, world
from helpers.moto_server import moto_server
from helpers.packages import make_tpkx
from helpers.tile_readers import read_tiles

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")
boto3 = pytest.importorskip("boto3")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of the server."""
    with moto_server() as address:
        yield address


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a new bucket."""
    name = f"bucket{abs(hash(request.node.name))}"
    for variable, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    boto3.client("s3").create_bucket(Bucket=name)
    make_client.cache_clear()
    yield name
    make_client.cache_clear()


def upload(source: Path, bucket: str, key: str) -> str:
    client = boto3.client("s3")
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    for path in files:
        name = path.relative_to(source).as_posix() if path != source else ""
        client.upload_file(str(path), bucket, f"{key}/{name}".strip("/"), ExtraArgs={"ACL": "public-read"})
    return f"s3://{bucket}/{key}"


def test_folder_and_package(tmp_path: Path, bucket: str) -> None:
    folder = upload(make_cache(tmp_path / "World", world()), bucket, "a b/World")
    package = upload(make_tpkx(tmp_path / "World.tpkx", world()), bucket, "World.tpkx")
    for location in (folder, package):
        export_tiles(location, tmp_path / "x.tpkx", overwrite=True)
        assert read_tiles(tmp_path / "x.tpkx") == world()


def test_parts(tmp_path: Path, bucket: str) -> None:
    folder = make_cache(tmp_path / "World", world())
    expected = export_tiles(folder, tmp_path / "disk" / "parts", max_part_tiles=20)
    found = export_tiles(upload(folder, bucket, "World"), tmp_path / "store" / "parts", max_part_tiles=20)
    assert len(found.parts) > 1
    names = sorted(path.name for path in expected.path.iterdir())
    assert sorted(path.name for path in found.path.iterdir()) == names
    for name in names:
        assert (found.path / name).read_bytes() == (expected.path / name).read_bytes()


def test_listings_of_several_pages(tmp_path: Path, bucket: str) -> None:
    """A row, and a level, of more than a thousand files."""
    tiles = square(11, range(1), range(1010)) | square(11, range(1, 3), range(20))
    location = upload(make_exploded_cache(tmp_path / "World", tiles, conf=conf_text(range(12))), bucket, "World")
    assert info(location).plan.tiles == len(tiles)


def test_errors(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(CacheError, match="s3://absent-bucket/x: bucket not found"):
        open_cache("s3://absent-bucket/x")
    with pytest.raises(CacheError, match="nothing: neither an object nor a folder"):
        open_cache(f"s3://{bucket}/nothing")
    with pytest.raises(CacheError, match=r"x\.tpkx: not a zip file, or only the start of one"):
        open_cache(upload(Path(__file__), bucket, "x.tpkx"))


def read_as(user: dict[str, str], location: str, monkeypatch: pytest.MonkeyPatch) -> TileCache:
    """Open a cache with the keys of a user."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", user["SecretAccessKey"])
    make_client.cache_clear()
    return open_cache(location)


def test_wrong_credentials(tmp_path: Path, bucket: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of one who may read are accepted; a wrong secret, an unknown key and one who may not are refused."""
    location = upload(make_cache(tmp_path / "World", world()), bucket, "World")
    users = boto3.client("iam", region_name="us-east-1", endpoint_url=s3)
    keys = {}
    for name, effect in (("reader", "Allow"), ("other", "Deny")):
        users.create_user(UserName=f"{name}{bucket}")
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "s3:*", "Resource": "*"}]}
        users.put_user_policy(UserName=f"{name}{bucket}", PolicyName="s3", PolicyDocument=json.dumps(policy))
        keys[name] = users.create_access_key(UserName=f"{name}{bucket}")["AccessKey"]
    set_unchecked_requests(s3, "0")
    try:
        assert read_as(keys["reader"], location, monkeypatch).name == "World"
        wrong = {**keys["reader"], "SecretAccessKey": "wr0ng-secret"}
        for refused in (wrong, {**wrong, "AccessKeyId": "AKIDUNKNOWN"}, keys["other"]):
            with pytest.raises(CacheError) as caught:
                read_as(refused, location, monkeypatch)
            expected = "access is denied by the store; found status 403, expected credentials that may read and list it"
            assert str(caught.value) == f"{location}: {expected}"
    finally:
        set_unchecked_requests(s3, "inf")


def set_unchecked_requests(s3: str, count: str) -> None:
    """Let moto check keys and policies after so many requests."""
    request = Request(f"{s3}/moto-api/reset-auth", count.encode(), {"Content-Type": "text/plain"})
    with urlopen(request) as answer:
        assert answer.status == 200


def test_google_reads_the_same_way(tmp_path: Path, bucket: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's interface for objects is nearly that of S3."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", s3)
    location = upload(make_cache(tmp_path / "World", world()), bucket, "World")
    export_tiles(location.replace("s3://", "gs://"), tmp_path / "x.tpkx")
    assert read_tiles(tmp_path / "x.tpkx") == world()
