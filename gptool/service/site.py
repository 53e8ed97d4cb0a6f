"""What all resources of a running service share."""

from __future__ import annotations

from dataclasses import dataclass

from gptool.service.catalog import Catalog
from gptool.service.queue.queue import Engine
from gptool.service.settings import ServiceSettings
from gptool.service.tokens import Tokens


@dataclass(frozen=True)
class Site:
    """The parts of a service.

    Attributes
    ----------
    tokens : Tokens or None
        None where nobody needs one.
    """

    settings: ServiceSettings
    catalog: Catalog
    engine: Engine
    tokens: Tokens | None
