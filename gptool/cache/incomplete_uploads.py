"""Multipart uploads to S3 that were never completed nor aborted: their parts are stored, and paid for, unseen.

A process that is killed leaves them, and a request that begins an upload if its answer is lost and it is repeated.
obstore does not list them. It signs URLs without a query only, so that these requests have theirs in the address of the
store that signs, before a parameter that takes the path: `x-id`, which AWS's own clients send and stores ignore.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from lxml import etree

from gptool.cache.object_settings import store_settings
from gptool.system.store_url import StoreUrl

TIMEOUT_SECONDS = 30

FIELDS = "Key", "UploadId"
"""What the store's list says of an upload."""

VALIDITY = timedelta(minutes=5)
"""How long a signed URL is valid."""


class Upload(NamedTuple):
    """An upload: the key of its object, and its id."""

    key: str
    upload_id: str


def list_uploads(url: StoreUrl) -> frozenset[Upload] | None:
    """Return the incomplete uploads to an object, and to those below it as a folder; None if that cannot be told.

    It cannot in other stores than S3, without the permission for it, or if there are more than a thousand.
    """
    if url.scheme != "s3" or os.environ.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
        return None
    try:
        answer = _request("GET", url.root, {"uploads": "", "prefix": url.path})
        root = etree.fromstring(answer, etree.XMLParser(resolve_entities=False, no_network=True))
        if root.findtext("{*}IsTruncated") == "true":
            return None
        found = [Upload(*(each.findtext(f"{{*}}{name}", "") for name in FIELDS)) for each in root.iter("{*}Upload")]
    except Exception:  # of obstore, of the connection, of the answer: nothing depends on it, and texts show signatures
        return None
    return frozenset(each for each in found if each.key == url.path or each.key.startswith(f"{url.path}/"))


def abort_uploads(url: StoreUrl, known: frozenset[Upload] | None) -> None:
    """Abort the incomplete uploads of `list_uploads` but those known before, as far as possible; none if None is known.

    Their parts are removed.
    """
    if known is None:
        return
    for upload in (list_uploads(url) or frozenset()) - known:
        with suppress(Exception):
            _request("DELETE", url.root / upload.key, {"uploadId": upload.upload_id})


def _request(method: Literal["GET", "DELETE"], url: StoreUrl, query: dict[str, str]) -> bytes:
    """Return the answer to a request, whose URL obstore signs with its own credentials."""
    from obstore import sign
    from obstore.store import S3Store

    settings = store_settings(url.root)
    address = settings.endpoint or f"https://s3.{settings.config.get('region', 'us-east-1')}.amazonaws.com"
    path = quote(f"{url.authority}/{url.path}".rstrip("/"))
    query_text = urlencode({**query, "x-id": ""}, quote_via=quote)
    config: Any = {**settings.config, "endpoint": f"{address.rstrip('/')}/{path}?{query_text}"}
    config["virtual_hosted_style_request"] = True  # the address is used as it is
    options: dict[str, Any] = {} if settings.credentials is None else {"credential_provider": settings.credentials}
    store = S3Store(url.authority, config=config, client_options={"allow_http": True}, **options)
    signed = sign(store, method, "-", VALIDITY)
    with urlopen(Request(signed, method=method), timeout=TIMEOUT_SECONDS) as answer:
        data: bytes = answer.read()
    return data
