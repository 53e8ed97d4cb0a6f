"""Errors about credentials and settings of stores name the variable that is wrong, and show no value."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gptool import open_cache
from gptool.cache.object_client import make_client
from gptool.cache.object_diagnosis import GCLOUD_FILE
from gptool.cache.object_writer import find_object
from gptool.errors import CacheError, OutputError
from gptool.system.store_url import StoreUrl

pytest.importorskip("obstore", reason="obstore is not installed (the extra cloud)")

SECRET = "se-cret"
"""It is in each value and in the name of each file. It is not base64."""

NO_PEM = {"client_email": SECRET, "private_key_id": SECRET, "private_key": SECRET}

FILES = {
    "text": SECRET,
    "list": json.dumps([SECRET]),
    "part": json.dumps({"client_email": SECRET, "private_key": SECRET}),
    "no-pem": json.dumps(NO_PEM),
    "no-type": json.dumps(NO_PEM | {"type": SECRET}),
    "key": json.dumps(NO_PEM | {"type": "service_account"}),
    "login": json.dumps({"type": "authorized_user", "client_id": SECRET, "client_secret": SECRET}),
}
"""Files of credentials. A value `@name` stands for the path of one."""

NAMES = "in the environment names a file that"
KEY_FILE = "expected the path of the JSON key of a service account"
CREDENTIALS_FILE = f"{KEY_FILE}, or of the login of gcloud auth application-default login"
ACCOUNT = {"AZURE_STORAGE_ACCOUNT_NAME": "me"}
NOT_BASE64 = "is not in base64; expected an access key of the storage account"
SIGNATURE = "expected a shared access signature, such as sv=...&sig=..."
CONNECTION = "AZURE_STORAGE_CONNECTION_STRING in the environment"
FILE, KEY = "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"
CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"

MALFORMED: dict[str, tuple[str, dict[str, str], str]] = {
    "no file": (
        "gs",
        {FILE: "@absent"},
        f"{FILE} {NAMES} cannot be read: No such file or directory; {KEY_FILE}",
    ),
    "no name of a file": ("gs", {FILE: ""}, f"{FILE} in the environment is empty; {KEY_FILE}"),
    "file of text": ("gs", {FILE: "@text"}, f"{FILE} {NAMES} is not JSON; {KEY_FILE}"),
    "file of a list": (
        "gs",
        {"GOOGLE_SERVICE_ACCOUNT_PATH": "@list"},
        f"GOOGLE_SERVICE_ACCOUNT_PATH {NAMES} is not a JSON object; {KEY_FILE}",
    ),
    "part of a key": (
        "gs",
        {"SERVICE_ACCOUNT": "@part"},
        f"SERVICE_ACCOUNT {NAMES} has no private_key_id; {KEY_FILE}",
    ),
    "no PEM": (
        "gs",
        {FILE: "@no-pem"},
        f"{FILE} {NAMES} has a private_key that is not in PEM form; {KEY_FILE}",
    ),
    "key": ("gs", {KEY: SECRET}, f"{KEY} in the environment is not JSON; expected the JSON key of a service account"),
    "file and key": (
        "gs",
        {FILE: "@no-pem", KEY: SECRET},
        f"{FILE} and {KEY} in the environment exclude each other; expected one of them",
    ),
    "no credentials": (
        "gs",
        {CREDENTIALS: "@absent"},
        f"{CREDENTIALS} {NAMES} cannot be read: No such file or directory; {CREDENTIALS_FILE}",
    ),
    "type of credentials": (
        "gs",
        {CREDENTIALS: "@no-type"},
        f"{CREDENTIALS} {NAMES} has no type, or one that is not supported; {CREDENTIALS_FILE}",
    ),
    "login without a token": (
        "gs",
        {CREDENTIALS: "@login"},
        f"{CREDENTIALS} {NAMES} has no refresh_token; {CREDENTIALS_FILE}",
    ),
    "no boolean": (
        "gs",
        {"GOOGLE_SKIP_SIGNATURE": SECRET},
        "GOOGLE_SKIP_SIGNATURE in the environment is not valid; expected a value that obstore documents",
    ),
    "account key": (
        "az",
        ACCOUNT | {"AZURE_STORAGE_ACCOUNT_KEY": SECRET},
        f"AZURE_STORAGE_ACCOUNT_KEY in the environment {NOT_BASE64}",
    ),
    "key of the command line": (
        "az",
        ACCOUNT | {"AZURE_STORAGE_KEY": SECRET, "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"},
        f"AZURE_STORAGE_KEY in the environment {NOT_BASE64}",
    ),
    "key of a connection string": (
        "az",
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=me;AccountKey={SECRET}"},
        f"AccountKey of {CONNECTION} {NOT_BASE64}",
    ),
    "signature of a connection string": (
        "az",
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=me;SharedAccessSignature={SECRET}"},
        f"SharedAccessSignature of {CONNECTION} has a part without =; {SIGNATURE}",
    ),
    "address of a connection string": (
        "az",
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=me;BlobEndpoint={SECRET}"},
        f"BlobEndpoint of {CONNECTION} is not valid; expected a URL such as https://storage.example.com:9000",
    ),
    "connection string without an account": (
        "az",
        {"AZURE_STORAGE_CONNECTION_STRING": f"Name={SECRET}"},
        f"{CONNECTION} has no AccountName; expected one, or AZURE_STORAGE_ACCOUNT_NAME as well",
    ),
    "connection string of nothing": (
        "az",
        {"AZURE_STORAGE_CONNECTION_STRING": SECRET},
        f"{CONNECTION} is not valid; expected a text such as AccountName=NAME;AccountKey=KEY",
    ),
    "signature": (
        "az",
        ACCOUNT | {"AZURE_STORAGE_SAS_TOKEN": f"?sv=1&{SECRET}"},
        f"AZURE_STORAGE_SAS_TOKEN in the environment has a part without =; {SIGNATURE}",
    ),
    "encoding of a signature": (
        "az",
        ACCOUNT | {"AZURE_STORAGE_SAS_KEY": f"sv={SECRET}&sig=%FF"},
        f"AZURE_STORAGE_SAS_KEY in the environment is not UTF-8 in percent encoding; {SIGNATURE}",
    ),
    "account": (
        "az",
        {"AZURE_STORAGE_ACCOUNT": f"{SECRET} me"},
        "AZURE_STORAGE_ACCOUNT in the environment is not a valid name; expected the name of a storage account",
    ),
    "address": (
        "az",
        ACCOUNT | {"AZURE_STORAGE_ENDPOINT": SECRET},
        "AZURE_STORAGE_ENDPOINT in the environment is not valid; expected a URL such as https://storage.example.com:9000",
    ),
    "half of the keys": (
        "s3",
        {"AWS_SECRET_ACCESS_KEY": SECRET},
        "AWS_ACCESS_KEY_ID in the environment is missing beside AWS_SECRET_ACCESS_KEY; expected both or none",
    ),
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of stores, neither in the environment nor in the home folder, and files of credentials."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "GPTOOL_")) or name in (
            "SERVICE_ACCOUNT",
            "STORAGE_EMULATOR_HOST",
        ):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name, text in FILES.items():
        (tmp_path / f"{SECRET}-{name}.json").write_text(text)
    make_client.cache_clear()


@pytest.mark.parametrize(("scheme", "settings", "message"), MALFORMED.values(), ids=MALFORMED)
def test_error_names_what_is_malformed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, settings: dict[str, str], message: str
) -> None:
    for name, value in settings.items():
        path = tmp_path / f"{SECRET}-{value.removeprefix('@')}.json"
        monkeypatch.setenv(name, str(path) if value.startswith("@") else value)
    with pytest.raises(CacheError) as caught:
        open_cache(f"{scheme}://tiles/x.tpkx")
    where, _, text = str(caught.value).partition(": ")
    assert (where.removesuffix("x.tpkx"), text) == (f"{scheme}://tiles/", message)
    assert SECRET not in str(caught.value)


@pytest.mark.posix("the folder of gcloud")
def test_login_of_gcloud_is_named(tmp_path: Path) -> None:
    path = Path(GCLOUD_FILE).expanduser()
    path.parent.mkdir(parents=True)
    path.write_text(FILES["login"])
    with pytest.raises(CacheError) as caught:
        open_cache("gs://tiles/x.tpkx")
    expected = "has no refresh_token; expected a new login, or a variable in its place"
    assert str(caught.value) == f"gs://tiles/: {GCLOUD_FILE}, the login of gcloud, {expected}"


def test_variables_are_listed_if_it_cannot_be_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in PEM form that is none."""
    key = NO_PEM | {"private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"}
    monkeypatch.setenv(KEY, json.dumps(key))
    monkeypatch.setenv("GOOGLE_BUCKET", "tiles")
    with pytest.raises(CacheError) as caught:
        open_cache("gs://tiles/x.tpkx")
    assert str(caught.value) == (
        "gs://tiles/: the credentials or settings of the store in the environment are invalid; found GOOGLE_BUCKET, "
        f"{KEY}, expected those that obstore and the store's own tools read"
    )


def test_setting_that_makes_no_request_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """obstore fails with a panic then, which is no `Exception`."""
    names = {"ACCOUNT_NAME": "account", "CLIENT_ID": "client", "CLIENT_SECRET": SECRET, "TENANT_ID": "tenant "}
    for name, value in names.items():
        monkeypatch.setenv(f"AZURE_STORAGE_{name}" if name == "ACCOUNT_NAME" else f"AZURE_{name}", value)
    expected = (
        "the credentials or settings of the store in the environment are invalid; found "
        "AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_STORAGE_ACCOUNT_NAME, AZURE_TENANT_ID, "
        "expected those that obstore and the store's own tools read"
    )
    with pytest.raises(CacheError) as reading:
        open_cache("az://tiles/x.tpkx")
    assert str(reading.value) == f"az://tiles/: {expected}"
    with pytest.raises(OutputError) as writing:
        find_object(StoreUrl("az", "tiles", "x.tpkx"))
    assert str(writing.value) == f"az://tiles/x.tpkx: {expected}"
