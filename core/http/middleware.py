"""The outermost layer of both servers: who may be spoken to by which name, and from where."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from core.http.bodies import Drained, refuse
from core.http.connections import PEER
from core.http.origins import SAFE_METHODS, Hosts, Origin, is_foreign, is_reachable, of_request

# In the state of a request that a page of another site may have made. Only safe methods come so far.
FOREIGN = "foreign_site"
WRONG_HOST = (
    "Host: this server does not answer to that name; use one that it has, or let whoever runs it add the name to "
    "ALLOWED_HOSTS."
)
WRONG_SITE = "Origin: this request comes from a page of another site; only pages of this address may send one."


@dataclass(frozen=True)
class Rules:
    """`public`: origins under which a proxy shows this server. `behind_proxy`: somebody named the proxies that are
    believed. `closed`: what to say to other machines where nothing guards this server; null where something does."""

    hosts: Hosts
    public: frozenset[Origin] = field(default_factory=frozenset)
    behind_proxy: bool = False
    closed: str | None = None


class Door:
    """`is_known`: did a program with a valid key send this? No page can, so that its origin does not matter."""

    def __init__(self, app: ASGIApp, *, rules: Rules, is_known: Callable[[Scope], bool] = lambda _: False) -> None:
        self._app, self._rules, self._is_known = app, rules, is_known
        self._drained = Drained(self._admit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            _name_client(scope, behind_proxy=self._rules.behind_proxy)
            await self._drained(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        rules, asked = self._rules, of_request(scope)
        if asked is None or not rules.hosts.has(asked, scope):
            await refuse(scope, receive, send, 421, WRONG_HOST)
            return
        if rules.closed is not None and is_reachable(scope):
            await refuse(scope, receive, send, 403, rules.closed)
            return
        if is_foreign(scope, asked, rules.public) and not self._is_known(scope):
            if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
                await refuse(scope, receive, send, 403, WRONG_SITE)
                return
            scope.setdefault("state", {})[FOREIGN] = True
        await self._app(scope, receive, send)


def _name_client(scope: Scope, *, behind_proxy: bool) -> None:
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
