"""Errors of stores as one sentence, without what the store's own text may show: URLs with queries, and credentials."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.client import responses

from gptool.cache.object_diagnosis import settings_error
from gptool.errors import CacheError, CacheNotFoundError, CacheUnavailableError, OutputError
from gptool.system.store_url import StoreUrl

STATUS = re.compile(r"status code: ([0-9]{3})")

NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|MissingCredential|no.*credential", re.I)
"""Credentials were looked for where only machines in a cloud have them."""

ACCESS_DENIED = "access is denied by the store"

DENIED = HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN

TEMPORARY = HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS
"""Statuses below 500 of requests that may succeed later."""

NO_BUCKET = "NoSuchBucket", "ContainerNotFound", "bucket does not exist"

CUT = re.compile(r"IncompleteBody|Interrupted|kind: Body|body error|error decoding|IncompleteMessage", re.I)

CAUSES = (
    (re.compile(r"kind: Timeout|TimedOut|timed out", re.I), "the store did not answer in time"),
    (re.compile(r"certificate", re.I), "the certificate of the store is not trusted"),
    (re.compile(r"dns error|failed to lookup", re.I), "the host name of the store cannot be resolved"),
    (re.compile(r"kind: Connect"), "the store cannot be reached"),
    (CUT, "the connection was cut"),
    (re.compile(r"error sending request"), "the store cannot be reached, or cut the connection"),
)
"""What is wrong, by what the text of an error contains; the first that fits."""

CREDENTIALS = {
    "s3": "keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in AWS_PROFILE",
    "gs": "a key file in GOOGLE_APPLICATION_CREDENTIALS, or the login of gcloud auth application-default login",
    "az": "a key in AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING",
}
"""Where credentials are usually stated."""


class ObjectNotFoundError(CacheNotFoundError):
    """Raised if there is no object of a name."""


def cut_error(error: BaseException) -> bool:
    """Return True if a read that failed may succeed when it is repeated: obstore repeats only the request itself."""
    return type(error).__name__ == "GenericError" and CUT.search(str(error)) is not None


def has_cause(error: BaseException) -> bool:
    """Return True if a request failed because of the connection, rather than by an answer."""
    return any(pattern.search(str(error)) for pattern, _ in CAUSES)


def not_implemented(error: Exception) -> bool:
    """Return True if the store does not know a kind of request."""
    found = STATUS.search(str(error))
    return isinstance(error, NotImplementedError) or (found is not None and int(found[1]) == HTTPStatus.NOT_IMPLEMENTED)


def is_panic(error: BaseException) -> bool:
    """Return True for a failure of obstore's Rust, which is no `Exception`."""
    return type(error).__name__ == "PanicException"


def store_error(error: BaseException, where: StoreUrl) -> CacheError:
    """Return the error of a request to a store as one of the cache. Interrupts and the like are raised again."""
    if is_panic(error):  # a setting of the environment is none that obstore can make a request with
        return settings_error(error, where.root)
    if not isinstance(error, Exception):
        raise error
    text, kind = str(error), type(error).__name__
    found = STATUS.search(text)
    status = int(found[1]) if found else None
    if isinstance(error, FileNotFoundError) or status == HTTPStatus.NOT_FOUND:
        is_bucket = any(code in text for code in NO_BUCKET)
        place = "container" if where.scheme == "az" else "bucket"
        what = f"{place} not found" if is_bucket else "object not found"
        return (CacheNotFoundError if is_bucket else ObjectNotFoundError)(what, where=where)
    # Only for some kinds of requests, obstore has exceptions of its own for it.
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or status in DENIED:
        return CacheError(
            ACCESS_DENIED,
            where=where,
            found=f"status {status}" if status else None,
            expected="credentials that may read and list it",
        )
    if kind == "NotSupportedError" and "ange" in text:
        return CacheError(
            "the server does not send ranges of files", where=where, expected="a server that answers range requests"
        )
    return _connection_error(text, where) if status is None else _status_error(status, where)


def write_error(error: BaseException, where: StoreUrl) -> OutputError:
    """Return the error of a request that writes to a store, or looks for what is there, as one of the output."""
    found = store_error(error, where)
    is_denied = found.what == ACCESS_DENIED
    expected = "credentials that may list, read, write and delete objects" if is_denied else found.expected
    what = found.what.replace("cannot be read", "cannot be written")
    return OutputError(what, where=where, found=found.found, expected=expected)


def _connection_error(text: str, where: StoreUrl) -> CacheError:
    if NO_CREDENTIALS.search(text):
        return CacheError("no credentials were found", where=where, expected=CREDENTIALS.get(where.scheme))
    cause = next((cause for pattern, cause in CAUSES if pattern.search(text)), "the request failed")
    return CacheUnavailableError(f"cannot be read: {cause}", where=where)


def _status_error(status: int, where: StoreUrl) -> CacheError:
    if 300 <= status < 400:
        is_s3 = where.scheme == "s3"
        what = "the store redirects the request" + ", probably as the bucket is in another region" * is_s3
        expected = "the region of the bucket in AWS_REGION" if is_s3 else "the URL to which it redirects"
        return CacheError(what, where=where, found=f"status {status}", expected=expected)
    phrase = responses.get(status, "unknown")
    kind = CacheUnavailableError if status in TEMPORARY or status >= 500 else CacheError
    return kind(f"cannot be read: the store answers with status {status}, {phrase}", where=where)
