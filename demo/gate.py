"""What happens before and after every answer: faults, rights, the hourly limit, ETags, and the record of it all."""

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from demo.faults import Fault
from demo.model import Repository

_DOCS = "https://docs.github.com/rest"
_REMEMBERED = 20_000
_HOUR = 3600
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_FREE = ("/rate_limit",)
STORAGE = "/_logs/"
# What stands under it wants the App's own signature; whoever answers checks it.
_OF_THE_APP = "/app/"


@dataclass(frozen=True)
class Recorded:
    """Header names in lower case. Status 0: the connection was dropped."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int


class Refused(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}

    def response(self) -> Response:
        body = {"message": self.message, "documentation_url": _DOCS, "status": str(self.status)}
        return answer(body, self.status, self.headers)


class Moved(Exception):
    """The repository has another name now."""

    def __init__(self, repository: Repository, url: str) -> None:
        super().__init__(url)
        self.repository, self.url = repository, url

    def response(self) -> Response:
        body = {"message": "Moved Permanently", "url": self.url, "documentation_url": _DOCS}
        return answer(body, 301, {"location": self.url})


class Budget:
    """The primary limit of one hour; `limit` null: a server that has none, and says nothing about it."""

    def __init__(self, limit: int | None, clock: Callable[[], datetime]) -> None:
        self.limit, self.used, self._clock = limit, 0, clock
        self.reset = self._now() + _HOUR

    @property
    def left(self) -> int:
        if self._now() >= self.reset:
            self.used, self.reset = 0, self._now() + _HOUR
        return max(self.limit - self.used, 0) if self.limit is not None else _HOUR

    def headers(self) -> dict[str, str]:
        if self.limit is None:
            return {}
        return {
            "x-ratelimit-limit": str(self.limit), "x-ratelimit-remaining": str(self.left),
            "x-ratelimit-used": str(self.used), "x-ratelimit-reset": str(self.reset), "x-ratelimit-resource": "core",
        }  # fmt: skip

    def core(self) -> dict[str, int | str]:
        if self.limit is None:
            raise Refused(404, "Rate limiting is not enabled.")
        left = self.left
        return {"limit": self.limit, "used": self.used, "remaining": left, "reset": self.reset, "resource": "core"}

    def _now(self) -> int:
        return int(self._clock().timestamp())


class Gate:
    """`tokens` null: any token is good, and so is none. `allows`
    knows other good ones, those of an App's installation. `requests` holds the latest ones, `counts` all that were
    recorded, by kind and status."""

    def __init__(self, budget: Budget, tokens: set[str] | None, allows: Callable[[str], bool] | None = None) -> None:
        self.requests: deque[Recorded] = deque(maxlen=_REMEMBERED)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.budget, self._tokens, self._allows = budget, tokens, allows

    def answer(self, request: Request, respond: Callable[[], Response]) -> Response:
        if request.scope["path"].startswith(STORAGE):
            return respond()
        try:
            self._check_token(request)
            free = request.scope["path"] in _FREE
            if self.budget.left == 0 and not free:
                raise Refused(403, "API rate limit exceeded for user ID 7104583.", self.budget.headers())
            response = respond()
        except Refused as error:
            return error.response()
        unchanged = self._mark(request, response)
        self.budget.used += 0 if free or unchanged else 1
        response.headers.update(self.budget.headers())
        return response if not unchanged else Response(b"", 304, _without_body(response))

    def record(self, request: Request, status: int) -> None:
        self.counts[_kind(request.scope["path"]), status] += 1
        headers = dict(request.headers)
        path = request.scope.get("base_path", "") + request.scope["path"]
        self.requests.append(Recorded(request.method, path, request.url.query, headers, status))

    @staticmethod
    def _mark(request: Request, response: Response) -> bool:
        """Puts the ETag on; true where the caller has this very answer already."""
        if response.status_code != 200:
            return False
        # The same thing has another ETag for another token.
        secret = request.headers.get("authorization", "").encode()
        etag = f'W/"{hashlib.sha256(bytes(response.body) + secret).hexdigest()}"'
        response.headers["etag"] = etag
        return request.headers.get("if-none-match") == etag

    def _check_token(self, request: Request) -> None:
        anybody = self._tokens is None and self._allows is None
        if anybody or f"{request.scope['path']}/".startswith(_OF_THE_APP):
            return
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise Refused(401, "Requires authentication")
        known = token in (self._tokens or ()) or (self._allows is not None and self._allows(token))
        if kind.lower() not in ("bearer", "token") or not known:
            raise Refused(401, "Bad credentials")


def _kind(path: str) -> str:
    """The last word of an address, and whether one thing was asked for: runs, runs/{id}, jobs."""
    parts = path.rstrip("/").rsplit("/", 2)
    return f"{parts[-2]}/{{id}}" if parts[-1].isdigit() and len(parts) > 2 else parts[-1]


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_WRITER.encode(body), status, headers, "application/json; charset=utf-8")


async def cut_off(fault: Fault, send: Send) -> None:
    """Ends the connection: at once, or after the first bytes of the body."""
    if fault.sent is not None:
        length = str(len(fault.sent) + 1000).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": fault.sent, "more_body": True})
        return
    # Only the server's own object behind `send` can hang up without a word.
    getattr(send, "__self__").transport.abort()  # noqa: B009


def _without_body(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")}
