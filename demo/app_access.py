"""A GitHub App: who signs with its key gets tokens of an installation, which last an hour."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo import github_json as shape
from demo.gate import Refused, answer
from demo.model import Repository
from demo.paging import base_url, cut
from demo.rs256 import BadToken, claims
from demo.world import World

_LONGEST = 600
_PERMISSIONS = {"actions": "read", "checks": "read", "contents": "read", "metadata": "read"}


@dataclass
class AppAccess:
    """`repositories`: full names that the installation may see (null: all). `jwt_clock`: what the App's own tokens
    are checked by, the world's clock unless given; installation tokens always end by the world's. `issued`: when
    each of those ends."""

    app_id: int
    public_key_pem: str
    installation_id: int
    lifetime_seconds: float = 3600
    owner: str | None = None
    repositories: set[str] | None = None
    jwt_clock: Callable[[], datetime] | None = None
    issued: dict[str, datetime] = field(default_factory=dict)

    def allows(self, token: str, now: datetime) -> bool:
        return token in self.issued and now < self.issued[token]

    def issue(self, now: datetime) -> tuple[str, datetime]:
        token = f"ghs_{secrets.token_urlsafe(27)}"
        self.issued[token] = now.replace(microsecond=0) + timedelta(seconds=self.lifetime_seconds)
        return token, self.issued[token]

    def check(self, token: str, now: datetime) -> None:
        """Refuses in GitHub's words what the App itself cannot have written, or not now."""
        try:
            found = claims(token, self.public_key_pem)
        except BadToken:
            raise Refused(401, "A JSON web token could not be decoded") from None
        issued, expires, second = found.get("iat"), found.get("exp"), now.timestamp()
        if not isinstance(issued, int | float) or issued > second:
            raise Refused(
                401, _claim("Issued at", "iat", "an Integer representing the time that the assertion was issued")
            )
        if not isinstance(expires, int | float) or expires <= second:
            meant = "a numeric value representing the future time at which the assertion expires"
            raise Refused(401, _claim("Expiration time", "exp", meant))
        if expires > second + _LONGEST:
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
        if str(found.get("iss")) != str(self.app_id):
            raise Refused(404, "Integration not found")


class AppAnswers:
    def __init__(self, world: World, access: AppAccess) -> None:
        self._world, self._access = world, access

    def app(self, request: Request) -> Response:
        self._check(request)
        return answer({"id": self._access.app_id, "slug": "pipeline-health", "name": "Pipeline Health",
                       "owner": self._owner(request), "permissions": _PERMISSIONS, "events": [],
                       "installations_count": 1})  # fmt: skip

    def installations(self, request: Request) -> Response:
        self._check(request)
        chosen, links = cut([self._installation(request)], 1, request, "/app/installations")
        return answer(chosen, headers=links)

    def installation(self, request: Request) -> Response:
        self._check(request)
        self._check_number(request)
        return answer(self._installation(request))

    def token(self, request: Request) -> Response:
        self._check(request)
        self._check_number(request)
        token, expires = self._access.issue(self._world.clock())
        return answer({"token": token, "expires_at": shape.time(expires), "permissions": _PERMISSIONS,
                       "repository_selection": self._selection()}, 201)  # fmt: skip

    def repositories(self, request: Request) -> Response:
        if not self._access.allows(_bearer(request), self._world.clock()):
            raise Refused(403, "You must authenticate with an installation access token in order to list repositories "
                               "for an installation.")  # fmt: skip
        listed = self._seen()
        chosen, links = cut(listed, len(listed), request, "/installation/repositories")
        found = [shape.repository(each, base_url(request)) for each in chosen]
        body = {"total_count": len(listed), "repository_selection": self._selection(), "repositories": found}
        return answer(body, headers=links)

    def _seen(self) -> list[Repository]:
        chosen = self._access.repositories
        named = {each.lower() for each in chosen} if chosen is not None else None
        return [each for name, each in sorted(self._world.repositories.items()) if named is None or name in named]

    def _installation(self, request: Request) -> dict[str, Any]:
        base = base_url(request)
        return {
            "id": self._access.installation_id, "app_id": self._access.app_id, "account": self._owner(request),
            "target_type": "Organization", "permissions": _PERMISSIONS, "events": [], "suspended_at": None,
            "repository_selection": self._selection(), "repositories_url": f"{base}/installation/repositories",
            "access_tokens_url": f"{base}/app/installations/{self._access.installation_id}/access_tokens",
        }  # fmt: skip

    def _owner(self, request: Request) -> dict[str, Any]:
        first = next(iter(self._world.repositories.values()), None)
        login = self._access.owner or (first.full_name.partition("/")[0] if first else "acme")
        return shape.account(login, base_url(request), organisation=True)

    def _selection(self) -> str:
        return "all" if self._access.repositories is None else "selected"

    def _check(self, request: Request) -> None:
        self._access.check(_bearer(request), (self._access.jwt_clock or self._world.clock)())

    def _check_number(self, request: Request) -> None:
        if request.path_params["installation"] != self._access.installation_id:
            raise Refused(404, "Not Found")


def _bearer(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[2]


def _claim(name: str, short: str, meant: str) -> str:
    return f"'{name}' claim ('{short}') must be {meant}"
