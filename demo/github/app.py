"""The simulated api.github.com: the part of the REST API that concerns Actions, as an ASGI application over a World."""

import hashlib
from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from demo.github.extension import Extension
from demo.github.responses import RECEIVER_PATH, STORAGE_PATH, Budget, GitHubError
from demo.github.routes import api_routes
from demo.world.world import World

# Requests that do not count against the rate limit.
_FREE_PATHS = ("/rate_limit",)


class GitHub:
    """`rate_limit` is the number of requests an hour by `clock`, the world's clock unless given; None: no limit and no
    headers about it. `extension` changes responses. Further routes can be added to `routes`."""

    def __init__(
        self,
        world: World,
        *,
        rate_limit: int | None = 5000,
        clock: Callable[[], datetime] | None = None,
        extension: Extension | None = None,
    ) -> None:
        self._world, self._extension = world, extension or Extension()
        self.budget = Budget(rate_limit, clock or world.clock)
        self.routes = api_routes(world, self.budget, self._extension)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.respond(Request(scope, receive))(scope, receive, send)

    def respond(self, request: Request) -> Response:
        """Return the response. It is built without giving up control, so the account does not change meanwhile."""
        self._world.advance()
        if request.scope["path"] == RECEIVER_PATH:
            return Response(b"", 204)
        try:
            if request.scope["path"].startswith(STORAGE_PATH):
                return self._route(request)
            self._extension.authorize(request)
            free = request.scope["path"] in _FREE_PATHS
            if self.budget.remaining == 0 and not free:
                raise GitHubError(403, "API rate limit exceeded for user ID 7104583.", self.budget.headers())
            response = self._route(request)
        except GitHubError as error:
            return error.response()
        unchanged = _set_etag(request, response)
        self.budget.used += 0 if free or unchanged else 1
        response.headers.update(self.budget.headers())
        return response if not unchanged else Response(b"", 304, _without_body_headers(response))

    def _route(self, request: Request) -> Response:
        match = self.routes.find(request.method, request.scope["path"])
        if match is None:
            raise GitHubError(404, "Not Found")
        handler, request.scope["path_params"] = match
        return handler(request)


def _set_etag(request: Request, response: Response) -> bool:
    """Set the ETag and return whether the client has this response already."""
    if response.status_code != 200:
        return False
    # GitHub's ETags differ between tokens for the same resource.
    secret = request.headers.get("authorization", "").encode()
    etag = f'W/"{hashlib.sha256(bytes(response.body) + secret).hexdigest()}"'
    response.headers["etag"] = etag
    return request.headers.get("if-none-match") == etag


def _without_body_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")}
