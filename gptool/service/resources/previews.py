"""Pictures of a cache: its thumbnail."""

from __future__ import annotations

from starlette.responses import Response

from gptool.service.resources.image_service import find_service
from gptool.service.resources.request_context import RequestContext

CACHING = {"Cache-Control": "private, max-age=60"}


async def thumbnail(context: RequestContext) -> Response:
    """Return a picture of a cache, or HTTP status 404 if it has no tiles, or is not counted yet."""
    [figures] = await context.state.figures.figures([await find_service(context)])
    if figures is None or not figures.thumbnail:
        return Response("thumbnail not found", 404, media_type="text/plain")
    return Response(figures.thumbnail, media_type="image/png", headers=CACHING)
