"""URLs of stores: their parts, and what is shown of them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gptool import open_cache
from gptool.errors import CacheNotFoundError
from gptool.system.store_url import StoreUrl, hide_secrets, is_store_url, read_location, read_store_url

SIGNED = "https://me:pass-word@tiles.example.com:8443/caches/a%20b.tpkx?sig=se-cret&x=1"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket/caches/World", ("s3", "bucket", "caches/World", "", "")),
        ("S3://bucket", ("s3", "bucket", "", "", "")),
        ("gs://bucket/a?b#c%20d/", ("gs", "bucket", "a?b#c%20d", "", "")),
        ("az://container/x.tpk", ("az", "container", "x.tpk", "", "")),
        (SIGNED, ("https", "tiles.example.com:8443", "caches/a b.tpkx", "sig=se-cret&x=1", "me:pass-word")),
        ("http://[::1]:80/x", ("http", "[::1]:80", "x", "", "")),
    ],
)
def test_parts(text: str, parts: tuple[str, ...]) -> None:
    assert is_store_url(text)
    url = read_store_url(text)
    assert (url.scheme, url.authority, url.path, url.query, url.user) == parts
    assert read_location(text) == url
    assert read_store_url(url.text) == url


def test_text_has_nothing_that_may_be_secret() -> None:
    url = read_store_url(SIGNED)
    for shown in (str(url), repr(url), str(url / "tile"), str(url.root), f"{url}"):
        assert not [word for word in ("me:", "pass-word", "se-cret", "sig=") if word in shown]
    assert str(url) == "https://tiles.example.com:8443/caches/a b.tpkx"
    assert url.text == SIGNED
    assert pickle.loads(pickle.dumps(url)).text == SIGNED


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SIGNED, "https://tiles.example.com:8443/caches/a%20b.tpkx"),
        ("Worldhttps://me:p@ss w/ord@h/x?a", "Worldhttps://h/x"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("https:key:secret@h/x?sig=a", "https:h/x"),
        ("tcp://me:secret@10.0.0.1:8786", "tcp://10.0.0.1:8786"),
        ("/a b@c/x?y", "/a b@c/x?y"),
    ],
)
def test_text_that_is_no_location_is_shown_without_secrets(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown


def test_names() -> None:
    url = read_store_url("s3://bucket/caches/World.v2.tpkx")
    assert (url.name, url.stem, url.suffix) == ("World.v2.tpkx", "World.v2", ".tpkx")
    assert url.parent == StoreUrl("s3", "bucket", "caches")
    assert url.parent / "_alllayers/L00" == StoreUrl("s3", "bucket", "caches/_alllayers/L00")
    assert read_store_url("s3://bucket").name == "bucket"


@pytest.mark.parametrize("text", ["ftp://host/x", "file:///x", "C:\\x", "/x//y", "s3:/bucket"])
def test_others_are_paths(text: str) -> None:
    assert not is_store_url(text)
    assert read_location(text) == Path(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3://", "cache: s3:// URL has no bucket or container; expected the path of a file"),
        ("az:///x", "cache: az:// URL has no bucket or container; expected the path of a file"),
        ("https:///x", "cache: https:// URL has no valid host; expected the path of a file"),
        ("https://me:se/cret@host/x", "cache: https:// URL has no valid host; expected the path of a file"),
        (
            "s3://key:se-cret@bucket/x",
            "cache: s3:// URL has keys, which are taken from the environment only; expected the path",
        ),
        (
            "s3://key:se/cret@bucket/x",
            "cache: s3:// URL has an invalid name of a bucket or container; expected the path",
        ),
        (
            "az://container/x?sv=1&sig=se-cret",
            "cache: az:// URL has a query; signed URLs begin with https://; expected",
        ),
        ("https://[::1/se-cret", "cache: https:// URL has no valid host; expected the path of a file"),
    ],
)
def test_invalid_url_is_an_error_that_does_not_show_it(text: str, message: str) -> None:
    with pytest.raises(CacheNotFoundError) as caught:
        open_cache(text)
    assert str(caught.value).startswith(message)
    assert "cret" not in str(caught.value)
