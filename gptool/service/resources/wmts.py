"""A cache as a Web Map Tile Service, by key-value pairs and by paths: OGC 07-057r7, with the paths of ArcGIS Server."""

from __future__ import annotations

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gptool.errors import GptoolError
from gptool.service.catalog import CachedService
from gptool.service.resources.image_service import find_service
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.tile_response import tile_response
from gptool.service.resources.wmts_capabilities import (
    MATRIX_SET,
    STYLE,
    VERSION,
    capabilities,
    exception_report,
    layer_name,
    media_types,
)
from gptool.service.urls import SERVICES

XML = "application/xml"

INVALID, MISSING, OUT_OF_RANGE = "InvalidParameterValue", "MissingParameterValue", "TileOutOfRange"
"""Codes of exceptions of the standard."""


class WmtsError(GptoolError):
    """Raised if a request is not one of the standard: the code of the exception, and the parameter."""

    def __init__(self, code: str, locator: str, found: str = "", expected: str = "") -> None:
        super().__init__(f"{code}: {locator}", found=repr(found) if found else None, expected=expected or None)
        self.code, self.locator = code, locator


async def key_value_pairs(service_type: str, context: RequestContext) -> Response:
    """Answer a request in key-value pairs, whose names may have any letter case: GetCapabilities or GetTile."""
    pairs = {name.lower(): value for name, value in context.parameters.items()}
    cached = await find_service(context)
    try:
        _check(pairs, "service", ["WMTS"])
        request = _check(pairs, "request", ["GetCapabilities", "GetTile"])
        if request == "GetCapabilities":
            return await _capabilities(context, cached, service_type)
        _check(pairs, "version", [VERSION])
        return await _tile(context, cached, pairs)
    except WmtsError as error:
        return _exception(error)


async def capabilities_file(service_type: str, context: RequestContext) -> Response:
    """Return the capabilities at their path."""
    return await _capabilities(context, await find_service(context), service_type)


async def tile(context: RequestContext) -> Response:
    """Return the tile of a path."""
    cached = await find_service(context)
    names = ("layer", "style", "tilematrixset", "tilematrix", "tilerow", "tilecol")
    values = {name: context.path_parameter(name) for name in names}
    values["tilecol"] = values["tilecol"].partition(".")[0]  # some clients add the suffix of a picture
    try:
        return await _tile(context, cached, values)
    except WmtsError as error:
        return _exception(error)


async def _capabilities(context: RequestContext, cached: CachedService, service_type: str) -> Response:
    url = context.absolute_url(f"{SERVICES}/{cached.name}/{service_type}/WMTS")
    return Response(await run_in_threadpool(capabilities, cached, url), media_type=XML)


async def _tile(context: RequestContext, cached: CachedService, values: dict[str, str]) -> Response:
    """Return a tile as it is stored."""
    formats = await run_in_threadpool(media_types, cached)
    _check(values, "layer", [layer_name(cached)])
    _check(values, "style", [STYLE, ""], is_required=False)
    _check(values, "tilematrixset", [MATRIX_SET])
    _check(values, "format", list(formats), is_required=False)
    levels = [str(lod.level) for lod in cached.cache.scheme.lods]
    level = _check(values, "tilematrix", levels)
    row, column = (_check(values, name) for name in ("tilerow", "tilecol"))
    tags = context.request.headers.get("if-none-match", "")
    found = await tile_response(context.state, cached.name, level, row, column, if_none_match=tags)
    if found.status == HTTPStatus.NOT_FOUND:
        text = f"no tile at level {level}, row {row}, column {column}"
        return Response(exception_report(OUT_OF_RANGE, "TileRow,TileCol", text[:300]), found.status, media_type=XML)
    return found.to_response()


def _check(values: dict[str, str], name: str, allowed: list[str] | None = None, *, is_required: bool = True) -> str:
    """Return a value, if it is among those allowed; letter case does not matter to many clients."""
    if name not in values:
        if is_required:
            raise WmtsError(MISSING, name)
        return ""
    value = values[name]
    for one in allowed or [value]:
        if one.lower() == value.lower():
            return one
    raise WmtsError(INVALID, name, value[:100], ", ".join(filter(None, (allowed or [])[:30])))


def _exception(error: WmtsError) -> Response:
    document = exception_report(error.code, error.locator, str(error))
    return Response(document, HTTPStatus.BAD_REQUEST, media_type=XML)
