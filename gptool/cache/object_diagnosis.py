"""Which variable of the environment is why a store cannot be used. Their values, which may be secret, are never shown.

obstore's own errors name no variable, and may show values. The checks here are made after it has refused the settings:
what they find wrong, it has not accepted either.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gptool.cache.object_settings import AZURE_CONNECTION, connection_parts, set_variables
from gptool.errors import CacheError
from gptool.system.store_url import StoreUrl

SERVICE_ACCOUNT_FILES = "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "SERVICE_ACCOUNT"
SERVICE_ACCOUNT_KEY = "GOOGLE_SERVICE_ACCOUNT_KEY"
APPLICATION_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"

GCLOUD_FILE = "~/.config/gcloud/application_default_credentials.json"
"""Where the login of gcloud is kept, which is read if no variable names credentials."""

KEY_MEMBERS = "client_email", "private_key_id", "private_key"
USER_MEMBERS = "client_id", "client_secret", "refresh_token"
"""Members of the key of a service account, and of the login of a user."""

MAX_CREDENTIALS = 1 << 20
"""Characters of a file of credentials that are read: the path may be that of any file."""

PEM = "-----BEGIN "

AZURE_KEY_NAMES = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY")
AZURE_SAS_NAMES = ("AZURE_STORAGE_SAS_KEY",)
AZURE_ACCOUNT_NAMES = ("AZURE_STORAGE_ACCOUNT_NAME",)
"""Variables that obstore reads itself. It prefers `AZURE_STORAGE_KEY` and the like, and connection strings."""

ACCOUNT_NAME = re.compile(r"[\w.-]+", re.ASCII)

KEY_FILE = "the path of the JSON key of a service account"
CREDENTIALS_FILE = f"{KEY_FILE}, or of the login of gcloud auth application-default login"
KEY_TEXT = "the JSON key of a service account"
AZURE_KEY = "an access key of the storage account"
AZURE_SAS = "a shared access signature, such as sv=...&sig=..."
AZURE_NAME = "the name of a storage account"


class Fault(NamedTuple):
    """A setting that is wrong: where it is, what is wrong, and what is expected."""

    where: str
    what: str
    expected: str


def settings_error(error: BaseException, root: StoreUrl) -> CacheError:
    """Return the error of a store whose settings obstore has refused: which one is wrong, if that can be known."""
    names = set_variables(root.scheme)
    quoted = [name for name in names if os.environ[name] and f'"{os.environ[name]}"' in str(error)]
    fault = next(_FAULTS.get(root.scheme, _no_faults)(), None)
    if fault is None and len(quoted) == 1:
        fault = Fault(f"{quoted[0]} in the environment", "is not valid", "a value that obstore documents")
    if fault is not None:
        return CacheError(f"{fault.where} {fault.what}", where=root, expected=fault.expected)
    return CacheError(
        "the credentials or settings of the store in the environment are invalid",
        where=root,
        found=", ".join(names) or None,
        expected="those that obstore and the store's own tools read",
    )


def _no_faults() -> Iterator[Fault]:
    return iter(())


def _google_faults() -> Iterator[Fault]:
    files = [name for name in SERVICE_ACCOUNT_FILES if name in os.environ]
    key, credentials = os.environ.get(SERVICE_ACCOUNT_KEY), os.environ.get(APPLICATION_CREDENTIALS)
    if files and key is not None:
        yield Fault(f"{files[0]} and {SERVICE_ACCOUNT_KEY} in the environment", "exclude each other", "one of them")
    for name in files:
        if problem := _path_problem(os.environ[name], _key_problem):
            yield Fault(f"{name} in the environment", problem, KEY_FILE)
    if key is not None and (problem := _key_problem(key)):
        yield Fault(f"{SERVICE_ACCOUNT_KEY} in the environment", problem, KEY_TEXT)
    if credentials is not None:
        if problem := _path_problem(credentials, _credentials_problem):
            yield Fault(f"{APPLICATION_CREDENTIALS} in the environment", problem, CREDENTIALS_FILE)
    elif (login := _gcloud_login()) and (problem := _file_problem(login, _credentials_problem)):
        yield Fault(f"{GCLOUD_FILE}, the login of gcloud,", problem, "a new login, or a variable in its place")


def _gcloud_login() -> Path | None:
    try:
        path = Path(GCLOUD_FILE).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # it cannot be looked for, or there is no home folder
        return None


def _path_problem(path: str, check: Callable[[str], str | None]) -> str | None:
    """Return what is wrong with a variable that names a file; None if nothing is."""
    if not path:
        return "is empty"
    problem = _file_problem(Path(path), check)
    return problem and f"names a file that {problem}"


def _file_problem(path: Path, check: Callable[[str], str | None]) -> str | None:
    """Return what is wrong with a file, whose text is checked."""
    try:
        with path.open(encoding="utf-8") as file:
            return check(file.read(MAX_CREDENTIALS))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError:  # no UTF-8
        return "is not JSON"


def _key_problem(text: str) -> str | None:
    """Return what is wrong with the key of a service account."""
    members = _read_json(text)
    if isinstance(members, str):
        return members
    problem = _missing(members, KEY_MEMBERS)
    return problem or (None if PEM in str(members["private_key"]) else "has a private_key that is not in PEM form")


def _credentials_problem(text: str) -> str | None:
    """Return what is wrong with the credentials of an application: a key or the login of a user."""
    members = _read_json(text)
    if isinstance(members, str):
        return members
    kinds: dict[object, Callable[[], str | None]] = {
        "service_account": lambda: _key_problem(text),
        "authorized_user": lambda: _missing(members, USER_MEMBERS),
    }
    check = kinds.get(members.get("type"))
    return check() if check else "has no type, or one that is not supported"


def _read_json(text: str) -> dict[str, object] | str:
    """Return a JSON object, or what is wrong with it."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return "is not JSON"
    return members if isinstance(members, dict) else "is not a JSON object"


def _missing(members: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    missing = next((name for name in names if not isinstance(members.get(name), str)), None)
    return f"has no {missing}" if missing else None


def _azure_faults() -> Iterator[Fault]:
    key = _azure_setting("AccountKey", "AZURE_STORAGE_KEY", AZURE_KEY_NAMES)
    signature = _azure_setting("SharedAccessSignature", "AZURE_STORAGE_SAS_TOKEN", AZURE_SAS_NAMES)
    account = _azure_setting("AccountName", "AZURE_STORAGE_ACCOUNT", AZURE_ACCOUNT_NAMES)
    if key and not _is_base64(key[1]):
        yield Fault(key[0], "is not in base64", AZURE_KEY)
    if signature and not key and (problem := _signature_problem(signature[1])):
        yield Fault(signature[0], problem, AZURE_SAS)
    if account and not ACCOUNT_NAME.fullmatch(account[1]):
        yield Fault(account[0], "is not a valid name", AZURE_NAME)


def _azure_setting(part: str, preferred: str, others: tuple[str, ...]) -> tuple[str, str] | None:
    """Return where a setting of Azure is, and its value; None if it is not set. Empty ones are as those not set."""
    stated = connection_parts().get(part)
    places = [
        (f"{preferred} in the environment", os.environ.get(preferred)),
        (f"{part} of {AZURE_CONNECTION} in the environment", stated),
        *((f"{name} in the environment", os.environ.get(name)) for name in others),
    ]
    return next(((place, value) for place, value in places if value), None)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _signature_problem(text: str) -> str | None:
    parts = [part for part in text.removeprefix("?").split("&") if part.strip()]
    if any("=" not in part for part in parts):
        return "has a part without ="
    try:
        unquote_to_bytes(text).decode()
    except ValueError:
        return "is not UTF-8 in percent encoding"
    return None


def _aws_faults() -> Iterator[Fault]:
    names = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
    for name, other in (names, names[::-1]):
        if name in os.environ and other not in os.environ:
            yield Fault(f"{other} in the environment", f"is missing beside {name}", "both or none")


_FAULTS: Mapping[str, Callable[[], Iterator[Fault]]] = {
    "s3": _aws_faults,
    "az": _azure_faults,
    "gs": _google_faults,
}
