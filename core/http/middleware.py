"""The outermost layer of both servers: who may be spoken to by which name, and from where."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from core.http.bodies import BodyDrainMiddleware, send_problem
from core.http.connections import PEER
from core.http.origins import SAFE_METHODS, AllowedHosts, Origin, is_cross_site, is_reachable, request_authority

# In the state of a request that a page of another site may have made. Only safe methods come so far.
CROSS_SITE = "foreign_site"
WRONG_HOST = (
    "Host: this server does not answer to that name; use one that it has, or let whoever runs it add the name to "
    "ALLOWED_HOSTS."
)
WRONG_SITE = "Origin: this request comes from a page of another site; only pages of this address may send one."


@dataclass(frozen=True)
class HostPolicy:
    """`public`: origins under which a proxy shows this server. `behind_proxy`: somebody named the proxies that are
    believed. `closed`: what to say to other machines where nothing guards this server; null where something does."""

    hosts: AllowedHosts
    public_origins: frozenset[Origin] = field(default_factory=frozenset)
    behind_proxy: bool = False
    refusal_reason: str | None = None


class HostOriginMiddleware:
    """`is_known`: did a program with a valid key send this? No page can, so that its origin does not matter."""

    def __init__(
        self, app: ASGIApp, *, policy: HostPolicy, is_authenticated: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        self._app, self._policy, self._is_authenticated = app, policy, is_authenticated
        self._drained = BodyDrainMiddleware(self._admit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            _set_client_address(scope, behind_proxy=self._policy.behind_proxy)
            await self._drained(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        rules, asked = self._policy, request_authority(scope)
        if asked is None or not rules.hosts.allows(asked, scope):
            await send_problem(scope, receive, send, 421, WRONG_HOST)
            return
        if rules.refusal_reason is not None and is_reachable(scope):
            await send_problem(scope, receive, send, 403, rules.refusal_reason)
            return
        if is_cross_site(scope, asked, rules.public_origins) and not self._is_authenticated(scope):
            if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
                await send_problem(scope, receive, send, 403, WRONG_SITE)
                return
            scope.setdefault("state", {})[CROSS_SITE] = True
        await self._app(scope, receive, send)


def _set_client_address(scope: Scope, *, behind_proxy: bool) -> None:
    """uvicorn believes X-Forwarded-For of whoever is on this machine, and takes any text in it for an address."""
    peer, client = scope.get(PEER), scope.get("client")
    if peer is not None and (not behind_proxy or client is None or not _is_address(client[0])):
        scope["client"] = peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
