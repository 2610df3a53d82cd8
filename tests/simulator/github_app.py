"""Authentication of a GitHub App: its JSON web tokens, and the tokens of its installation, which are valid for an hour.

Tokens are verified with PyJWT and cryptography, which requirements.txt has for the collector. The collector signs with
the same library: a second implementation of RS256 would test the library, not the collector."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import Response

from demo.github import payloads
from demo.github.pagination import base_url, paginate
from demo.github.responses import GitHubError, json_response
from demo.github.routes import Routes
from demo.world.model import Repository
from demo.world.world import World

_MAX_LIFETIME_SECONDS = 600
_PERMISSIONS = {"actions": "read", "checks": "read", "contents": "read", "metadata": "read"}


@dataclass
class GitHubApp:
    """An App with one installation. `repositories`: full names that the installation can read; None: all. `jwt_clock`
    checks the App's own tokens, the world's clock unless given; installation tokens always expire by the world's.
    `issued`: expiry of each installation token."""

    app_id: int
    public_key_pem: str
    installation_id: int
    lifetime_seconds: float = 3600
    owner: str | None = None
    repositories: set[str] | None = None
    jwt_clock: Callable[[], datetime] | None = None
    issued: dict[str, datetime] = field(default_factory=dict)

    def accepts(self, token: str, now: datetime) -> bool:
        """Return whether this is a valid token of the installation."""
        return token in self.issued and now < self.issued[token]

    def issue(self, now: datetime) -> tuple[str, datetime]:
        """Return a new installation token and its expiry."""
        token = f"ghs_{secrets.token_urlsafe(27)}"
        self.issued[token] = now.replace(microsecond=0) + timedelta(seconds=self.lifetime_seconds)
        return token, self.issued[token]

    def check(self, token: str, now: datetime) -> None:
        """Raise GitHubError with GitHub's message unless the token is one of the App's own and valid now."""
        claims = self._claims(token)
        issued, expires, second = claims.get("iat"), claims.get("exp"), now.timestamp()
        if not isinstance(issued, int | float) or issued > second:
            meaning = "an Integer representing the time that the assertion was issued"
            raise GitHubError(401, f"'Issued at' claim ('iat') must be {meaning}")
        if not isinstance(expires, int | float) or expires <= second:
            meaning = "a numeric value representing the future time at which the assertion expires"
            raise GitHubError(401, f"'Expiration time' claim ('exp') must be {meaning}")
        if expires > second + _MAX_LIFETIME_SECONDS:
            raise GitHubError(401, "'Expiration time' claim ('exp') is too far in the future")
        if str(claims.get("iss")) != str(self.app_id):
            raise GitHubError(404, "Integration not found")

    def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a signed token. Only the signature is checked here: the messages about claims are
        GitHub's."""
        try:
            claims = json.loads(jwt.PyJWS().decode(token, self.public_key_pem, algorithms=["RS256"]))
        except (jwt.InvalidTokenError, ValueError):
            claims = None
        if not isinstance(claims, dict):
            raise GitHubError(401, "A JSON web token could not be decoded")
        return claims


def add_app_routes(routes: Routes, world: World, app: GitHubApp) -> None:
    handlers = _Handlers(world, app)
    routes.add("/app", handlers.app)
    routes.add("/app/installations", handlers.installations)
    routes.add("/app/installations/{installation:int}", handlers.installation)
    routes.add("/app/installations/{installation:int}/access_tokens", handlers.access_token, "POST")
    routes.add("/installation/repositories", handlers.repositories)


class _Handlers:
    def __init__(self, world: World, app: GitHubApp) -> None:
        self._world, self._app = world, app

    def app(self, request: Request) -> Response:
        self._check(request)
        return json_response({"id": self._app.app_id, "slug": "pipeline-health", "name": "Pipeline Health",
                              "owner": self._owner(request), "permissions": _PERMISSIONS, "events": [],
                              "installations_count": 1})  # fmt: skip

    def installations(self, request: Request) -> Response:
        self._check(request)
        page, links = paginate([self._installation(request)], 1, request, "/app/installations")
        return json_response(page, headers=links)

    def installation(self, request: Request) -> Response:
        self._check(request)
        self._check_installation(request)
        return json_response(self._installation(request))

    def access_token(self, request: Request) -> Response:
        self._check(request)
        self._check_installation(request)
        token, expires = self._app.issue(self._world.clock())
        return json_response({"token": token, "expires_at": payloads.timestamp(expires), "permissions": _PERMISSIONS,
                              "repository_selection": self._selection()}, 201)  # fmt: skip

    def repositories(self, request: Request) -> Response:
        if not self._app.accepts(_bearer_token(request), self._world.clock()):
            raise GitHubError(403, "You must authenticate with an installation access token in order to list "
                                   "repositories for an installation.")  # fmt: skip
        readable = self._readable()
        page, links = paginate(readable, len(readable), request, "/installation/repositories")
        items = [payloads.repository_json(repo, base_url(request)) for repo in page]
        body = {"total_count": len(readable), "repository_selection": self._selection(), "repositories": items}
        return json_response(body, headers=links)

    def _readable(self) -> list[Repository]:
        selected = self._app.repositories
        names = {name.lower() for name in selected} if selected is not None else None
        return [repo for name, repo in sorted(self._world.repositories.items()) if names is None or name in names]

    def _installation(self, request: Request) -> dict[str, Any]:
        base = base_url(request)
        return {
            "id": self._app.installation_id, "app_id": self._app.app_id, "account": self._owner(request),
            "target_type": "Organization", "permissions": _PERMISSIONS, "events": [], "suspended_at": None,
            "repository_selection": self._selection(), "repositories_url": f"{base}/installation/repositories",
            "access_tokens_url": f"{base}/app/installations/{self._app.installation_id}/access_tokens",
        }  # fmt: skip

    def _owner(self, request: Request) -> dict[str, Any]:
        first = next(iter(self._world.repositories.values()), None)
        login = self._app.owner or (first.full_name.partition("/")[0] if first else "acme")
        return payloads.account_json(login, base_url(request), organisation=True)

    def _selection(self) -> str:
        return "all" if self._app.repositories is None else "selected"

    def _check(self, request: Request) -> None:
        self._app.check(_bearer_token(request), (self._app.jwt_clock or self._world.clock)())

    def _check_installation(self, request: Request) -> None:
        if request.path_params["installation"] != self._app.installation_id:
            raise GitHubError(404, "Not Found")


def _bearer_token(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[2]
