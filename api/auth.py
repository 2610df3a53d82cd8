"""Authentication by API keys, and the role that a route requires."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Problem, problem_response
from core.roles import Role
from db.audit import Actor, anonymous
from db.enums import ActorKind, KeyScope, Origin

# Only documents the header in /openapi.json; is_allowed reads it.
_BEARER = HTTPBearer(auto_error=False, description="One of API_KEYS; not required if API_KEYS is not set")

_METRICS_BEARER = HTTPBearer(
    auto_error=False, scheme_name="MetricsKey", description="METRICS_KEY; not required if METRICS_KEY is not set"
)


# The scope of a key that has the role.
SCOPES = {Role.VIEWER: KeyScope.READ, Role.EDITOR: KeyScope.WRITE, Role.ADMIN: KeyScope.ADMIN}


@dataclass(frozen=True)
class Principal:
    """The caller of a request. `key_id`: of a stored key, which `team_key` or `repositories` (owner/name) limit to
    those repositories."""

    name: str
    kind: ActorKind
    role: Role
    key_id: int | None = None
    team_key: str | None = None
    repositories: tuple[str, ...] = ()

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.kind, Origin.API)


# The caller where no key exists.
_ANONYMOUS = Principal(anonymous(Origin.API).name, ActorKind.ANONYMOUS, Role.ADMIN)


def principal(request: Request, _: Annotated[object, Security(_BEARER)]) -> Principal:
    """The caller. Raises a 401 problem if a key is required and the request has no valid one."""
    keys: tuple[str, ...] = request.app.state.settings.keys
    if not keys:
        return _ANONYMOUS
    key = matching_key(request.headers, keys)
    if key is None:
        raise _unauthorized()
    return Principal(f"API_KEYS key {keys.index(key) + 1}", ActorKind.API_KEY, Role.ADMIN)


PrincipalDep = Annotated[Principal, Depends(principal)]


def actor(caller: PrincipalDep) -> Actor:
    """The caller as the actor of a change."""
    return caller.actor


ActorDep = Annotated[Actor, Depends(actor)]


def requires(role: Role) -> Any:
    """A dependency of routes that need this role: `dependencies=[requires(Role.EDITOR)]`. It raises a 403 problem that
    names the scope for callers with a lower role."""

    def check(caller: PrincipalDep) -> None:
        if caller.role < role:
            raise Problem(
                403,
                f"This request needs a key with the scope {SCOPES[role]}; this key has {SCOPES[caller.role]}.",
                extra={"required_scope": SCOPES[role]},
            )

    return Depends(check)


def require_metrics_key(request: Request, _: Annotated[object, Security(_METRICS_BEARER)]) -> None:
    if not is_allowed(request.headers, request.app.state.settings.metrics_keys):
        raise Problem(
            401,
            "Metrics require a key: send the header Authorization: Bearer KEY with METRICS_KEY.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def is_allowed(headers: Mapping[str, str], keys: tuple[str, ...]) -> bool:
    """True where the request has one of the keys, or no key is configured."""
    return not keys or matching_key(headers, keys) is not None


def matching_key(headers: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    """The key of the Authorization header if it is one of `keys`, else null. Each comparison takes constant time, so
    that response times reveal neither a partial match nor its position."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    sent = credentials.strip().encode()
    matches = [key for key in keys if hmac.compare_digest(sent, key.encode())]
    return matches[0] if matches and scheme.lower() == "bearer" else None


class ApiKeyMiddleware:
    """Rejects requests without a valid key before their body is read, also for paths that do not exist."""

    def __init__(self, app: ASGIApp, *, keys: tuple[str, ...]) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # CORS preflight requests carry no key.
        protected = scope["type"] == "http" and requires_key(scope["path"]) and scope["method"] != "OPTIONS"
        if protected and not is_allowed(Headers(scope=scope), self._keys):
            await problem_response(_unauthorized())(scope, receive, send)
            return
        await self._app(scope, receive, send)


def requires_key(path: str) -> bool:
    """False for webhooks, which are signed, and badges, which are embedded in public pages."""
    return path.startswith("/api/") and not path.startswith(("/api/webhooks/", "/api/badge/"))


def _unauthorized() -> Problem:
    return Problem(
        401,
        "A key is required: send the header Authorization: Bearer KEY with one of API_KEYS.",
        headers={"WWW-Authenticate": "Bearer"},
    )
