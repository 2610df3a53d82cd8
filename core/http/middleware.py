"""Outermost middleware of API and dashboard: checks the Host header and the origin of requests."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from core.http.bodies import BodyDrainMiddleware, has_body, send_problem
from core.http.connections import PEER
from core.http.origins import SAFE_METHODS, AllowedHosts, Origin, is_cross_site, is_reachable, request_authority

# In the state of a request with a safe method that a page of another site may have sent.
CROSS_SITE = "cross_site"
WRONG_HOST = (
    "Host: this name is not allowed for the server; use one of the allowed names, or ask the operator to add it to "
    "ALLOWED_HOSTS."
)
WRONG_SITE = "Origin: this request comes from a page of another site; only pages of this address may send one."


@dataclass(frozen=True)
class HostPolicy:
    """`public_origins`: origins under which a proxy publishes this server. `behind_proxy`: proxies are configured whose
    X-Forwarded-For is trusted. `refusal_reason`: set for a server without authentication, which rejects other machines
    with it."""

    hosts: AllowedHosts
    public_origins: frozenset[Origin] = field(default_factory=frozenset)
    behind_proxy: bool = False
    refusal_reason: str | None = None


class HostOriginMiddleware:
    """`is_authenticated` returns whether a request has a valid key. Pages of other sites have none, so that the origin
    of such a request does not matter."""

    def __init__(
        self, app: ASGIApp, *, policy: HostPolicy, is_authenticated: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        self._app, self._policy, self._is_authenticated = app, policy, is_authenticated
        self._drained = BodyDrainMiddleware(self._admit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            _set_client_address(scope, behind_proxy=self._policy.behind_proxy)
            app = self._drained if scope["type"] == "http" and has_body(scope) else self._admit
            await app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy, authority = self._policy, request_authority(scope)
        if authority is None or not policy.hosts.allows(authority, scope):
            await send_problem(scope, receive, send, 421, WRONG_HOST)
            return
        if policy.refusal_reason is not None and is_reachable(scope):
            await send_problem(scope, receive, send, 403, policy.refusal_reason)
            return
        if is_cross_site(scope, authority, policy.public_origins) and not self._is_authenticated(scope):
            if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
                await send_problem(scope, receive, send, 403, WRONG_SITE)
                return
            scope.setdefault("state", {})[CROSS_SITE] = True
        await self._app(scope, receive, send)


def _set_client_address(scope: Scope, *, behind_proxy: bool) -> None:
    """Restores the address of the peer where X-Forwarded-For is not trusted or is no address: uvicorn trusts local
    clients and does not validate the header."""
    peer, client = scope.get(PEER), scope.get("client")
    if peer is not None and (not behind_proxy or client is None or not _is_address(client[0])):
        scope["client"] = peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
