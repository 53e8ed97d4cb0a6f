"""How stores are reached: credentials from the usual environment and profiles, addresses, and plain HTTP.

obstore reads the variables of the environment that its own documentation lists, the credentials of Google's tools, and
those of machines and containers in clouds. Profiles of AWS, and connection strings of Azure, are read here.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from gptool.errors import CacheError
from gptool.system.store_url import StoreUrl

ALLOW_HTTP = "GPTOOL_ALLOW_HTTP"
"""The variable of the environment that allows `http://` to other hosts than this one, if it is `1`."""

AWS_IDENTITIES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
"""Variables that take precedence over profiles, as in AWS's own tools."""

AWS_ENDPOINTS = "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"
AWS_REGIONS = "AWS_REGION", "AWS_DEFAULT_REGION"
AWS_KEYS = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
DYNAMIC_KEYS = "credential_process", "sso_session", "sso_start_url", "role_arn"
"""Keys of a profile whose credentials are made when they are needed."""

AZURE_ENDPOINTS = "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"
GOOGLE_ENDPOINTS = ("STORAGE_EMULATOR_HOST",)
AZURE_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"

AZURE_KEYS = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}
"""Parts of a connection string of Azure, and obstore's names of them."""

AZURE_NAMES = {
    "AZURE_STORAGE_ACCOUNT": "account_name",
    "AZURE_STORAGE_KEY": "account_key",
    "AZURE_STORAGE_SAS_TOKEN": "sas_key",
}
"""Variables of Azure's command line that obstore does not read, or only under other names."""


PREFIXES = {"s3": ("AWS_",), "az": ("AZURE_",), "gs": ("GOOGLE_",)}
"""The starts of the variables that obstore reads."""

ADDRESS = re.compile(r"https?://(?:[^\s/?#@]*@)?[\w.-]+(?::[0-9]{1,5})?(?:/\S*|\?\S*)?|https?://\[[0-9a-fA-F:.]+\]\S*")
REGION = re.compile(r"[\w-]+", re.ASCII)

ENDPOINT_PLACES = {
    "s3": (AWS_ENDPOINTS, "endpoint_url of the AWS profile"),
    "az": (AZURE_ENDPOINTS, f"BlobEndpoint of {AZURE_CONNECTION} in the environment"),
    "gs": (GOOGLE_ENDPOINTS, "the endpoint of the store"),
    "https": ((), "the host of the URL"),
    "http": ((), "the host of the URL"),
}
"""Variables that state an endpoint, and where else it may be stated, by the scheme of a URL."""

AZURE_ACCOUNTS = "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"


class StoreSettings(NamedTuple):
    """What obstore's constructor of a store takes.

    Attributes
    ----------
    config : dict
        Settings beside those that obstore itself reads from the environment.
    endpoint : str
        The address, if it is not that of the cloud.
    headers : dict of str to str
        Headers of each request.
    credentials : object or None
        Makes credentials when they are needed.
    """

    config: dict[str, Any]
    endpoint: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012 - not changed
    credentials: Any = None


def store_settings(url: StoreUrl) -> StoreSettings:
    """Return the settings of a store.

    Raises
    ------
    CacheError
        If they are incomplete or contradictory, or name a host by plain HTTP without permission.
    """
    _check_environment(url)
    settings = _READERS[url.scheme](url)
    _check_address(url, settings)
    if settings.endpoint.startswith("http:") and not _is_plain_allowed(settings.endpoint):
        what = "URL" if url.is_web else "endpoint of the store"
        raise CacheError(
            f"the {what} uses unencrypted HTTP",
            where=url,
            expected=f"https://, or {ALLOW_HTTP}=1 in the environment",
        )
    return settings


def set_variables(scheme: str) -> list[str]:
    """Return the names of the variables that obstore reads for a kind of store, and that are set."""
    return sorted(name for name in os.environ if name.startswith(PREFIXES.get(scheme, ())))


def _check_environment(url: StoreUrl) -> None:
    """Raise an error for variables that obstore cannot read: it would end the program."""
    for name in set_variables(url.scheme):
        value = os.environ[name]
        if not value.isprintable():
            raise CacheError(f"{name} in the environment has a control character", where=url.root, expected="none")
        if not value and name in AWS_ENDPOINTS:
            raise CacheError(f"{name} in the environment is empty", where=url.root, expected="a URL, or no variable")


def _check_address(url: StoreUrl, settings: StoreSettings) -> None:
    if settings.endpoint and not ADDRESS.fullmatch(settings.endpoint):
        raise CacheError(
            f"{_endpoint_place(url)} is not valid",
            where=url.root,
            expected="a URL such as https://storage.example.com:9000",
        )
    region = settings.config.get("region")
    if region is not None and not REGION.fullmatch(region):
        raise CacheError(
            "the region of the store is invalid", where=url.root, found=region, expected="a name such as eu-west-1"
        )


def _endpoint_place(url: StoreUrl) -> str:
    """Return where the endpoint of a store is stated."""
    variables, other = ENDPOINT_PLACES[url.scheme]
    name = next(filter(os.environ.get, variables), None)
    return f"{name} in the environment" if name else other


def _is_plain_allowed(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    if host == "localhost" or os.environ.get(ALLOW_HTTP) == "1":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _first(names: tuple[str, ...], *others: str | None) -> str:
    """Return the first variable that is set, or else the first of the others."""
    return next(filter(None, (*map(os.environ.get, names), *others)), "")


def _web_settings(url: StoreUrl) -> StoreSettings:
    headers = {}
    if url.user:
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(url.user).encode()).decode()}"
    query = f"?{url.query}" if url.query else ""
    return StoreSettings({}, f"{url.scheme}://{url.authority}{query}", headers)


def _aws_settings(url: StoreUrl) -> StoreSettings:
    profile: Mapping[str, str] = {}
    if not any(map(os.environ.get, AWS_IDENTITIES)) or not _first((*AWS_REGIONS, *AWS_ENDPOINTS)):
        profile = _read_profile(url)
    config: dict[str, Any] = {}
    if region := _first(AWS_REGIONS, profile.get("region")):
        config["region"] = region
    endpoint = _first(AWS_ENDPOINTS, profile.get("endpoint_url"))
    if endpoint:
        config["endpoint"] = endpoint
    if any(map(os.environ.get, AWS_IDENTITIES)):
        return StoreSettings(config, endpoint)
    if AWS_KEYS[0] in profile:
        config |= {key.removeprefix("aws_"): profile[key] for key in AWS_KEYS if key in profile}
    elif any(key in profile for key in DYNAMIC_KEYS):
        return StoreSettings(config, endpoint, credentials=_boto3_credentials(url))
    return StoreSettings(config, endpoint)


def _read_profile(url: StoreUrl) -> Mapping[str, str]:
    """Return the keys of the profile of AWS that is in use; none if there are no profiles."""
    name = _first(("AWS_PROFILE", "AWS_DEFAULT_PROFILE"), "default")
    found: dict[str, str] = {}
    for variable, default, section in (
        ("AWS_CONFIG_FILE", "config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
    ):
        path = Path(os.environ.get(variable) or f"~/.aws/{default}").expanduser()
        parser = ConfigParser(interpolation=None, default_section="")
        try:
            parser.read(path, encoding="utf-8")
        except (ConfigError, ValueError):
            raise CacheError(
                "is not an AWS configuration or credentials file", where=path, expected="sections of key = value lines"
            ) from None
        if parser.has_section(section):
            found |= dict(parser.items(section))
    if not found and name != "default":
        raise CacheError(
            "AWS_PROFILE names a profile that does not exist",
            where=url,
            found=repr(name),
            expected="a profile of the AWS configuration or credentials file",
        )
    return found


def _boto3_credentials(url: StoreUrl) -> Any:
    try:
        from boto3 import Session  # type: ignore[import-untyped,import-not-found,unused-ignore]
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ModuleNotFoundError:
        raise CacheError(
            "the AWS profile uses a role, a login (SSO) or a credential process, which requires boto3",
            where=url,
            expected="pip install boto3",
        ) from None
    return Boto3CredentialProvider(Session())


def connection_parts() -> Mapping[str, str]:
    """Return the parts of the connection string of Azure in the environment, by name; none if it is not set."""
    parts = os.environ.get(AZURE_CONNECTION, "").split(";")
    return dict(part.split("=", 1) for part in parts if "=" in part)


def _azure_settings(url: StoreUrl) -> StoreSettings:
    stated = connection_parts()
    config: dict[str, Any] = {name: stated[key] for key, name in AZURE_KEYS.items() if key in stated}
    config |= {name: value for key, name in AZURE_NAMES.items() if (value := os.environ.get(key))}
    has_connection = bool(os.environ.get(AZURE_CONNECTION, "").strip(";"))
    if has_connection and not stated:
        what = f"{AZURE_CONNECTION} in the environment is not valid"
        raise CacheError(what, where=url, expected="a text such as AccountName=NAME;AccountKey=KEY")
    if "account_name" not in config and not any(map(os.environ.get, AZURE_ACCOUNTS)):
        if has_connection:
            what = f"{AZURE_CONNECTION} in the environment has no AccountName"
            raise CacheError(what, where=url, expected="one, or AZURE_STORAGE_ACCOUNT_NAME as well")
        raise CacheError(
            "the storage account is not known", where=url, expected="AZURE_STORAGE_ACCOUNT_NAME in the environment"
        )
    endpoint = _first(AZURE_ENDPOINTS, config.get("endpoint"))
    if os.environ.get("AZURE_STORAGE_USE_EMULATOR"):
        endpoint = endpoint or "http://127.0.0.1:10000"
    return StoreSettings(config, endpoint)


def _google_settings(_url: StoreUrl) -> StoreSettings:
    endpoint = _first(GOOGLE_ENDPOINTS)
    return StoreSettings({"base_url": endpoint, "skip_signature": True} if endpoint else {}, endpoint)


_READERS: Mapping[str, Callable[[StoreUrl], StoreSettings]] = {
    "https": _web_settings,
    "http": _web_settings,
    "s3": _aws_settings,
    "az": _azure_settings,
    "gs": _google_settings,
}
