"""API keys."""

import hmac
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from api.errors import Problem

# Reads nothing: it tells /docs and /openapi.json how a key is sent.
_BEARER = HTTPBearer(auto_error=False, description="One of API_KEYS; not wanted where none is set")


def require_key(request: Request, _: Annotated[object, Security(_BEARER)]) -> None:
    """Compares with every key in constant time, so that neither length of match nor position is to be measured."""
    keys: tuple[str, ...] = request.app.state.settings.keys
    if not keys:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    offered = given.strip().encode()
    matches = [hmac.compare_digest(offered, key.encode()) for key in keys]
    if scheme.lower() != "bearer" or not any(matches):
        raise Problem(
            401,
            "This API wants a key: send the header Authorization: Bearer KEY with one of API_KEYS.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def not_from_other_sites(request: Request) -> None:
    """Without keys, any page that a colleague opens could send messages through their browser."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "This request comes from a page of another site.")
