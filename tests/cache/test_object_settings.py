"""Credentials and addresses of stores, from the environment and from profiles."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, open_cache
from gptool.cache.object_client import make_client
from gptool.cache.object_settings import StoreSettings, store_settings
from gptool.errors import CacheError, OutputError
from gptool.system.store_url import read_store_url
from helpers.caches import world
from helpers.object_server import ObjectServer
from helpers.packages import make_tpkx

NO_URL = "AWS_ENDPOINT_URL in the environment is not valid; expected a URL such as"

INVALID = {
    "no scheme": ("AWS_ENDPOINT_URL", "127.0.0.1:9000", NO_URL),
    "a name": ("AWS_ENDPOINT_URL", "nonsense", NO_URL),
    "a blank": ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/ a", NO_URL),
    "a password": (
        "AWS_ENDPOINT_URL",
        "ftp://me:pw@x/",
        NO_URL,
    ),
    "empty": ("AWS_ENDPOINT_URL", "", "AWS_ENDPOINT_URL in the environment is empty; expected a URL, or no variable"),
    "region": (
        "AWS_REGION",
        "bad region",
        "the region of the store is invalid; found bad region, expected a name such",
    ),
    "line break": (
        "AWS_SESSION_TOKEN",
        "a\nb",
        "AWS_SESSION_TOKEN in the environment has a control character; expected",
    ),
}


@pytest.mark.parametrize(("name", "value", "message"), INVALID.values(), ids=INVALID)
def test_variables_that_would_end_obstore(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CacheError) as caught:
        store_settings(read_store_url("s3://bucket/x.tpkx"))
    assert str(caught.value).startswith(f"s3://bucket/: {message}")


@pytest.mark.parametrize(
    "endpoint", ["https://s3.example.com", "http://localhost:9000/", "http://[::1]:9000", "https://a.b:1/c?d=e"]
)
def test_valid_addresses(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert store_settings(read_store_url("s3://bucket/x.tpkx")).endpoint == endpoint


CREDENTIALS = """\
[default]
aws_access_key_id = DEFAULT
aws_secret_access_key = default%secret
[work]
aws_access_key_id = WORK
aws_secret_access_key = work-secret
aws_session_token = work-token
"""
CONFIG = """\
[default]
region = eu-west-1
[profile work]
region = us-west-2
endpoint_url = https://s3.example.com
[profile login]
sso_session = company
"""


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of profiles, and no other setting of AWS or Azure."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GPTOOL_")):
            monkeypatch.delenv(name)
    for variable, text in (("AWS_SHARED_CREDENTIALS_FILE", CREDENTIALS), ("AWS_CONFIG_FILE", CONFIG)):
        (tmp_path / variable).write_text(text)
        monkeypatch.setenv(variable, str(tmp_path / variable))


def settings_of(url: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> StoreSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return store_settings(read_store_url(url))


DEFAULT = {"region": "eu-west-1", "access_key_id": "DEFAULT", "secret_access_key": "default%secret"}
WORK = {
    "region": "us-west-2",
    "endpoint": "https://s3.example.com",
    "access_key_id": "WORK",
    "secret_access_key": "work-secret",
    "session_token": "work-token",
}
KEYS = {"AWS_ACCESS_KEY_ID": "OWN", "AWS_SECRET_ACCESS_KEY": "own-secret"}


@pytest.mark.parametrize(
    ("environment", "config"),
    [
        pytest.param({}, DEFAULT, id="default profile"),
        pytest.param({"AWS_PROFILE": "work"}, WORK, id="profile"),
        pytest.param({"AWS_PROFILE": "work", "AWS_REGION": "x"}, {**WORK, "region": "x"}, id="region"),
        pytest.param({"AWS_PROFILE": "work", **KEYS}, {k: WORK[k] for k in ("region", "endpoint")}, id="keys"),
        pytest.param({"AWS_SKIP_SIGNATURE": "true"}, {"region": "eu-west-1"}, id="public bucket"),
        pytest.param({**KEYS, "AWS_DEFAULT_REGION": "y"}, {"region": "y"}, id="default region"),
    ],
)
def test_profiles_of_aws(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], config: dict[str, str]) -> None:
    """Keys of the environment, which obstore reads itself, take precedence."""
    assert settings_of("s3://bucket/x", environment, monkeypatch).config == config


def test_unknown_profile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CacheError, match="AWS_PROFILE names a profile that does not exist; found 'play'"):
        settings_of("s3://bucket/x", {"AWS_PROFILE": "play"}, monkeypatch)


def test_profile_with_a_login_needs_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def without_boto3(name: str, *arguments: Any) -> Any:
        if name == "boto3":
            raise ModuleNotFoundError(name=name)
        return import_(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_boto3)
    with pytest.raises(CacheError, match="which requires boto3; expected pip install boto3"):
        settings_of("s3://bucket/x", {"AWS_PROFILE": "login"}, monkeypatch)


@pytest.mark.parametrize(
    ("environment", "config"),
    [
        (
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=me;AccountKey=a2V5==;EndpointSuffix=core.windows.net"},
            {"account_name": "me", "account_key": "a2V5=="},
        ),
        ({"AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_KEY": "a2V5"}, {"account_name": "me", "account_key": "a2V5"}),
        ({"AZURE_STORAGE_ACCOUNT_NAME": "me"}, {}),
    ],
)
def test_settings_of_azure(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], config: dict[str, str]
) -> None:
    assert settings_of("az://container/x", environment, monkeypatch).config == config


def test_azure_without_an_account_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CacheError, match="az://container/x: the storage account is not known; expected AZURE_STORAGE"):
        settings_of("az://container/x", {}, monkeypatch)


PLAIN = "uses unencrypted HTTP; expected https://, or GPTOOL_ALLOW_HTTP=1 in the environment"


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("http://me:secret@tiles.example.com:8000/x.tpkx?sig=secret", {}),
        ("http://127.0.0.1.example.com/x", {}),
        ("http://192.0.2.1/x", {"GPTOOL_ALLOW_HTTP": "0"}),
        ("s3://bucket/x", {**KEYS, "AWS_ENDPOINT_URL": "http://minio:9000"}),
    ],
)
def test_plain_http_needs_permission(monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str]) -> None:
    with pytest.raises(CacheError) as caught:
        settings_of(url, environment, monkeypatch)
    assert PLAIN in str(caught.value)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("GPTOOL_ALLOW_HTTP", "1")
    assert settings_of(url, {}, monkeypatch).endpoint.startswith("http://")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_plain_http_is_allowed_on_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert settings_of(f"http://{host}:80/x", {}, monkeypatch).endpoint == f"http://{host}:80"


def test_user_and_query_go_to_the_server_only(store_server: ObjectServer, bucket: Path) -> None:
    make_tpkx(bucket / "cache.tpkx", world())
    signature = "sig=a%2Fb%3D&se=2030"
    cache = open_cache(f"http://me:pass%20word@127.0.0.1:{store_server.port}/tiles/cache.tpkx?{signature}")
    sent = {(asked.authorization, asked.query) for asked in store_server.asked}
    assert sent == {("Basic bWU6cGFzcyB3b3Jk", signature)}
    assert str(cache.location) == f"{store_server.url}/tiles/cache.tpkx"


def test_missing_extra_is_an_error_with_the_command_that_installs_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    make_client.cache_clear()
    what = "s3://tiles/: obstore is missing, which reads and writes stores"
    with pytest.raises(CacheError) as caught:
        open_cache("s3://tiles/cache")
    assert str(caught.value) == f"{what}; expected pip install 'gptool-export-tiles[cloud]'"
    with pytest.raises(OutputError, match=what):
        export_tiles(cache, "s3://tiles/x.tpkx")
