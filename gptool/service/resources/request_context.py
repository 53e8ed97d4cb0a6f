"""Context of a request to a resource: parameters, response format and owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from gptool.request.parameters import known_inputs
from gptool.service.observation import client_address
from gptool.service.resources.authentication import Identity
from gptool.service.state import ServiceState
from gptool.service.urls import Breadcrumbs, breadcrumbs


@dataclass(frozen=True)
class RequestContext:
    """A request and what was read from it.

    Attributes
    ----------
    state : ServiceState
    request : Request
    parameters : mapping of str to str
        The parameters of query and body, see `read_request`.
    format : str
        The response format: html, json or pjson.
    identity : Identity
        Who sent the request.
    """

    state: ServiceState
    request: Request
    parameters: Mapping[str, str]
    format: str
    identity: Identity

    @property
    def owner(self) -> str:
        """The owner of the jobs that the request may see and start; an empty string without a token."""
        return self.identity.owner

    @property
    def sender(self) -> str:
        """The address of the client and the name of its token or user, for the log."""
        name = self.state.token_name(self.owner)
        return client_address(self.request.scope) + (f" as {name}" if name else "")

    @property
    def inputs(self) -> dict[str, Any]:
        """The parameters of the operation by their own names."""
        return known_inputs(self.parameters)

    def path_parameter(self, name: str) -> str:
        """Return a parameter of the route's path."""
        return str(self.request.path_params[name])

    def flag(self, name: str, default: bool) -> bool:
        """Return whether a parameter is `true`, in any letter case."""
        return self.parameters.get(name, str(default)).strip().lower() == "true"

    def absolute_url(self, path: str) -> str:
        """Return the URL of a resource's path: below the public URL, or with the host that the client used."""
        base = self.request.base_url
        host = self.state.settings.public_url.rstrip("/") or f"{base.scheme}://{base.netloc}"
        return host + quote(path)

    def page_path(self, path: str) -> str:
        """Return the path of a resource for links and redirects: below the path of the public URL."""
        return self.state.settings.public_path + path

    def breadcrumbs(self, *parts: str) -> Breadcrumbs:
        """Return the breadcrumbs of a resource with the paths for links, see `gptool.service.urls.breadcrumbs`."""
        return [(label, self.page_path(path)) for label, path in breadcrumbs(*parts)]
