"""API keys."""

import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from api.errors import Problem

# Reads nothing: it tells /docs and /openapi.json how a key is sent.
_BEARER = HTTPBearer(auto_error=False, description="One of API_KEYS; not wanted where none is set")


def require_key(request: Request, _: Annotated[object, Security(_BEARER)]) -> None:
    if not is_allowed(request.headers, request.app.state.settings.keys):
        raise Problem(
            401,
            "This API wants a key: send the header Authorization: Bearer KEY with one of API_KEYS.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def is_allowed(headers: Mapping[str, str], keys: tuple[str, ...]) -> bool:
    """Everybody is where no key is set."""
    return not keys or key_of(headers, keys) is not None


def key_of(headers: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    """The key that was sent, if it is one of them. Compares with every one in constant time, so that neither length of
    match nor position is to be measured."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    offered = given.strip().encode()
    matches = [key for key in keys if hmac.compare_digest(offered, key.encode())]
    return matches[0] if matches and scheme.lower() == "bearer" else None


def not_from_other_sites(request: Request) -> None:
    """Without keys, any page that a colleague opens could send messages through their browser."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "This request comes from a page of another site.")
