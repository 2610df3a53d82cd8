"""JSON responses, errors in GitHub's format, and the primary rate limit."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.responses import Response

# Path of the log storage, which stands outside the API: no token, no rate limit, no base path.
STORAGE_PATH = "/_logs/"
# The receiver of the demo's notifications, which is no part of GitHub: it accepts every message.
RECEIVER_PATH = "/_notifications"
DOCUMENTATION_URL = "https://docs.github.com/rest"
_HOUR = 3600
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(body), status, headers, "application/json; charset=utf-8")


class GitHubError(Exception):
    """An error response; handlers raise it."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}

    def response(self) -> Response:
        body = {"message": self.message, "documentation_url": DOCUMENTATION_URL, "status": str(self.status)}
        return json_response(body, self.status, self.headers)


class Budget:
    """Primary rate limit: `limit` requests in an hour of `clock`. With None there is no limit and no header about it,
    as on a GitHub Enterprise Server without rate limits."""

    def __init__(self, limit: int | None, clock: Callable[[], datetime]) -> None:
        self.limit, self.used, self._clock = limit, 0, clock
        self.reset = self._now() + _HOUR

    @property
    def remaining(self) -> int:
        if self._now() >= self.reset:
            self.used, self.reset = 0, self._now() + _HOUR
        return max(self.limit - self.used, 0) if self.limit is not None else _HOUR

    def headers(self) -> dict[str, str]:
        if self.limit is None:
            return {}
        return {
            "x-ratelimit-limit": str(self.limit), "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.used), "x-ratelimit-reset": str(self.reset), "x-ratelimit-resource": "core",
        }  # fmt: skip

    def core(self) -> dict[str, int | str]:
        """Return the `core` resource of GET /rate_limit. Raises GitHubError 404 without a limit."""
        if self.limit is None:
            raise GitHubError(404, "Rate limiting is not enabled.")
        remaining = self.remaining
        return {
            "limit": self.limit,
            "used": self.used,
            "remaining": remaining,
            "reset": self.reset,
            "resource": "core",
        }

    def _now(self) -> int:
        return int(self._clock().timestamp())
