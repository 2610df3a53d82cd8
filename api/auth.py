"""Authentication by API keys, and the role that a route requires."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Problem, problem_response, unavailable
from api.keyring import Caller, Keyring, Principal, caller_of, matching_key, set_caller
from api.schema_guard import DATABASE_UNAVAILABLE
from core.roles import Role
from db.api_keys import ROLES
from db.audit import Actor

__all__ = ["ActorDep", "Principal", "PrincipalDep", "requires"]

# Only documents the header in /openapi.json; is_allowed reads it.
_BEARER = HTTPBearer(
    auto_error=False, description="One of API_KEYS or of `python -m api keys`; not required if none exists"
)

_METRICS_BEARER = HTTPBearer(
    auto_error=False, scheme_name="MetricsKey", description="METRICS_KEY; not required if METRICS_KEY is not set"
)


# The scope of a key that has the role.
_SCOPES = {role: scope for scope, role in ROLES.items()}


def principal(request: Request, _: Annotated[object, Security(_BEARER)]) -> Principal:
    """The caller. Raises a 401 problem if a key is required and the request has no valid one, and DatabaseUnavailable
    or NotMigrated if that is unknown."""
    caller = caller_of(request.scope)
    if caller.is_unknown:
        keyring: Keyring = request.app.state.keyring
        keyring.refresh()
        caller = keyring.caller(request.headers)
        set_caller(request.scope, caller)
    if caller.principal is None:
        raise _unauthorized(caller)
    return caller.principal


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
                f"This request needs a key with the scope {_SCOPES[role]}; this key has {_SCOPES[caller.role]}.",
                extra={"required_scope": _SCOPES[role]},
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


class ApiKeyMiddleware:
    """Rejects requests without a valid key before their body is read, also for paths that do not exist."""

    def __init__(self, app: ASGIApp, *, keyring: Keyring) -> None:
        self._app, self._keyring = app, keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # CORS preflight requests carry no key.
        protected = scope["type"] == "http" and requires_key(scope["path"]) and scope["method"] != "OPTIONS"
        caller = caller_of(scope)
        if protected and caller.principal is None:
            if not caller.is_unknown:
                await problem_response(_unauthorized(caller))(scope, receive, send)
                return
            # Otherwise the route reports the error, with the address of the database.
            if self._keyring.always_required:
                await problem_response(unavailable(DATABASE_UNAVAILABLE))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def requires_key(path: str) -> bool:
    """False for webhooks, which are signed, and badges, which are embedded in public pages."""
    return path.startswith("/api/") and not path.startswith(("/api/webhooks/", "/api/badge/"))


def _unauthorized(caller: Caller) -> Problem:
    reason = "The key has expired" if caller.expired else "A key is required"
    return Problem(
        401,
        f"{reason}: send the header Authorization: Bearer KEY with one of API_KEYS or of `python -m api keys`.",
        headers={"WWW-Authenticate": "Bearer"},
    )
