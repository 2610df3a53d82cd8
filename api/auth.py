"""API keys."""

import hmac

from fastapi import Request

from api.errors import Problem


def require_key(request: Request) -> None:
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
