"""Reading responses: JSON, the next page, and the error of a status."""

import json
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from pydantic_core import from_json
from requests.utils import parse_header_links

from collector.github import errors
from collector.github.auth import Auth
from core.text import clean
from db.enums import ErrorCode

# GitHub's error bodies have a few hundred bytes.
_MAX_ERROR_BYTES = 1_000_000
# The largest real responses have a hundred thousand values; each takes some hundred bytes of memory.
_MAX_VALUES = 2_000_000


def parse_json(response: requests.Response) -> Any:
    """The JSON of the body. Raises InvalidResponse: transient if the body is no JSON or is cut off, permanent if it has
    more values than any real response."""
    body = response.content
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _MAX_VALUES:
        raise errors.InvalidResponse(f"{request_path(response)} answered with more than {_MAX_VALUES:,} values")
    with suppress(ValueError):
        # Twice as fast as json, and field names are stored once for all items.
        return from_json(body, cache_strings="keys")
    try:
        # json also accepts legal JSON that is no valid text, such as half a surrogate pair.
        return json.loads(body)
    except (ValueError, RecursionError):
        raise errors.InvalidResponse(
            f"{request_path(response)} did not return JSON; does GITHUB_API_URL name a GitHub API?", transient=True
        ) from None


def next_link(header: str | None) -> str | None:
    if not header:
        return None
    return next((link["url"] for link in parse_header_links(header) if link.get("rel") == "next"), None)


def raise_for_status(response: requests.Response, auth: Auth) -> NoReturn:
    """Raises the GitHubError of an unsuccessful response."""
    status, message, path = response.status_code, error_message(response), request_path(response)
    if status == 401:
        raise errors.Unauthorized(f"GitHub refused {auth.principal} (401 {message}); {auth.remediation}")
    if status in (403, 451):
        code = ErrorCode.BLOCKED if status == 451 else ErrorCode.FORBIDDEN
        raise errors.Forbidden(f"GitHub refuses {path} ({status}: {message})", code=code)
    if status == 404:
        raise errors.NotFound(f"{path} not found, or the token has no access (404)")
    if status == 410:
        raise errors.Gone(f"{path} has expired (410)")
    if status == 422:
        raise errors.Unprocessable(f"GitHub refuses {path} (422: {message})")
    raise errors.InvalidResponse(
        f"{path} answered {status}: {message}", server_side=status >= 500, transient=status >= 500
    )


def error_message(response: requests.Response) -> str:
    """The server's message, in one line."""
    try:
        body = parse_json(response) if len(response.content) <= _MAX_ERROR_BYTES else None
    except (errors.InvalidResponse, requests.RequestException):
        body = None
    text = body.get("message") if isinstance(body, dict) else None
    return clean(text or response.reason or "no reason given", 200)


def request_path(response: requests.Response) -> str:
    return clean(urlsplit(response.request.url or "").path or "/", 300)
