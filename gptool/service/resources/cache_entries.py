"""The published caches on the page that lists them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from gptool.errors import GptoolError
from gptool.service.catalog import CAPABILITIES, CachedService
from gptool.service.figures import CacheFigures
from gptool.service.resources.request_context import RequestContext
from gptool.service.urls import service_path

LOG = logging.getLogger(__name__)


class CacheEntry(NamedTuple):
    """A cache in a list.

    Attributes
    ----------
    name, title, description, url : str
    levels : str
        The levels that have tiles, `0-5, 8`; empty if the cache cannot be read.
    figures : CacheFigures or None
        None until the tiles are counted.
    thumbnail : str
        The path of a picture; empty if there is none.
    types : tuple of (str, str)
        The service types, and the paths of their pages.
    """

    name: str
    title: str
    description: str
    url: str
    levels: str
    figures: CacheFigures | None
    thumbnail: str
    types: tuple[tuple[str, str], ...]


async def cache_entries(context: RequestContext, names: Sequence[str]) -> list[CacheEntry]:
    """Return the entries of caches. A cache that cannot be read has no figures; the log says why."""
    found = {name: await _find(context, name) for name in names}
    services = [service for service in found.values() if service]
    figures = dict(
        zip((service.name for service in services), await context.state.figures.figures(services), strict=True)
    )
    return [_entry(context, name, found[name], figures.get(name)) for name in names]


async def _find(context: RequestContext, name: str) -> CachedService | None:
    try:
        return await context.state.catalog.find(name)
    except GptoolError as error:
        LOG.warning("%s: %s", name, error)
        return None


def _entry(
    context: RequestContext, name: str, service: CachedService | None, figures: CacheFigures | None
) -> CacheEntry:
    types = tuple((kind, context.page_path(service_path(name, kind))) for kind in CAPABILITIES)
    url = types[0][1]
    settings = context.state.settings.caches[name]
    return CacheEntry(
        name,
        settings.title or name,
        settings.description,
        url,
        ", ".join(service.cache.scheme.level_ranges(service.levels)) if service else "",
        figures,
        f"{url}/info/thumbnail" if figures and figures.thumbnail else "",
        types,
    )
