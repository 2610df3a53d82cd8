"""API keys."""

import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Problem, problem_response

# Reads nothing: it tells /docs and /openapi.json how a key is sent.
_BEARER = HTTPBearer(auto_error=False, description="One of API_KEYS; not wanted where none is set")

_METRICS_BEARER = HTTPBearer(
    auto_error=False, scheme_name="MetricsKey", description="METRICS_KEY; not required where none is set"
)


def require_key(request: Request, _: Annotated[object, Security(_BEARER)]) -> None:
    if not is_allowed(request.headers, request.app.state.settings.keys):
        raise _unauthorized()


def require_metrics_key(request: Request, _: Annotated[object, Security(_METRICS_BEARER)]) -> None:
    if not is_allowed(request.headers, request.app.state.settings.metrics_keys):
        raise Problem(
            401,
            "Metrics require a key: send the header Authorization: Bearer KEY with METRICS_KEY.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def is_allowed(headers: Mapping[str, str], keys: tuple[str, ...]) -> bool:
    """Everybody is where no key is set."""
    return not keys or matching_key(headers, keys) is not None


def matching_key(headers: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    """The key that was sent, if it is one of them. Compares with every one in constant time, so that neither length of
    match nor position is to be measured."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    offered = given.strip().encode()
    matches = [key for key in keys if hmac.compare_digest(offered, key.encode())]
    return matches[0] if matches and scheme.lower() == "bearer" else None


class ApiKeyMiddleware:
    """Asks for the key by the headers alone, before anything of a body is read, also of addresses that do not exist."""

    def __init__(self, app: ASGIApp, *, keys: tuple[str, ...]) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A browser asks without the key whether it may send one.
        locked = scope["type"] == "http" and requires_key(scope["path"]) and scope["method"] != "OPTIONS"
        if locked and not is_allowed(Headers(scope=scope), self._keys):
            await problem_response(_unauthorized())(scope, receive, send)
            return
        await self._app(scope, receive, send)


def requires_key(path: str) -> bool:
    """Deliveries of webhooks are signed; badges stand on public pages."""
    return path.startswith("/api/") and not path.startswith(("/api/webhooks/", "/api/badge/"))


def _unauthorized() -> Problem:
    return Problem(
        401,
        "This API wants a key: send the header Authorization: Bearer KEY with one of API_KEYS.",
        headers={"WWW-Authenticate": "Bearer"},
    )
