"""Checks of the settings that tell a service how it is reached: through which proxies and from which pages."""

from __future__ import annotations

import ipaddress
import re

from gptool.errors import SettingsError
from gptool.service.settings import ServiceSettings
from gptool.service.urls import ROOT

HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
ORIGIN = re.compile(rf"\*|https?://{HOST}")
PUBLIC_URL = re.compile(rf"https?://{HOST}(?:/[A-Za-z0-9._~-]+)*/?")
USER = re.compile(r"(?<=://).*@")
"""User and password in a URL, which messages do not show."""


OWN_FOLDER = f"{ROOT.rpartition('/')[0]}/"


def check_deployment(settings: ServiceSettings) -> None:
    """Check the public URL, the addresses of proxies and the allowed origins.

    Raises
    ------
    SettingsError
        If one of them is invalid.
    """
    if settings.public_url and not PUBLIC_URL.fullmatch(settings.public_url):
        raise SettingsError(
            "publicUrl is invalid",
            found=repr(USER.sub("", settings.public_url)),
            expected="a URL such as https://gis.example.com/tiles",
        )
    if OWN_FOLDER in f"{settings.public_path}/":
        raise SettingsError(
            f"publicUrl must not contain the service's own path {ROOT}", found=repr(settings.public_url),
            expected="the URL in front of that path, such as https://gis.example.com/tiles",
        )  # fmt: skip
    for host in settings.proxy_hosts:
        try:
            ipaddress.ip_network(host)
        except ValueError:
            raise SettingsError(
                "proxyHosts has an invalid value",
                found=repr(host),
                expected="an address or a network such as 192.0.2.0/24",
            ) from None
    for origin in settings.allow_origins:
        # Browsers send origins in lower case, and without a path.
        if not ORIGIN.fullmatch(origin) or origin != origin.lower():
            raise SettingsError(
                "allowOrigins has an invalid value", found=repr(USER.sub("", origin)),
                expected="* or scheme, host and port in lower case, such as https://maps.example.com",
            )  # fmt: skip
