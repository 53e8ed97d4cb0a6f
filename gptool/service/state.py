"""State that all requests to a running service share."""

from __future__ import annotations

from dataclasses import dataclass, field

from gptool.service.accepted_tokens import AcceptedTokens
from gptool.service.catalog import Catalog
from gptool.service.figures import FigureCounter
from gptool.service.large_bodies import LargeBodies
from gptool.service.queue.queue import JobQueue
from gptool.service.settings import ServiceSettings
from gptool.service.tiles import TileReader


@dataclass(frozen=True)
class ServiceState:
    """The parts of a running service.

    Attributes
    ----------
    settings : ServiceSettings
    catalog : Catalog
        The published caches.
    queue : JobQueue
        The jobs.
    tokens : AcceptedTokens or None
        The accepted tokens; None if the service does not require one.
    large_bodies : LargeBodies
        The places for large request bodies.
    tiles : TileReader
        The tiles of the published caches.
    figures : FigureCounter
        The figures of the caches for pages.
    """

    settings: ServiceSettings
    catalog: Catalog
    queue: JobQueue
    tokens: AcceptedTokens | None
    large_bodies: LargeBodies = field(default_factory=LargeBodies)
    tiles: TileReader = field(default_factory=TileReader)
    figures: FigureCounter = field(default_factory=FigureCounter)

    def token_name(self, owner: str) -> str:
        """Return the name of the token or user of an owner, for logs; an empty string without a token."""
        return self.tokens.name(owner) if self.tokens and owner else ""
