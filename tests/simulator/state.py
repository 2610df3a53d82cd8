"""Requests that the simulator has received, and its limits."""

from collections import Counter, deque
from dataclasses import dataclass, field

from starlette.requests import Request

from demo.github.responses import Budget
from tests.simulator.limits import Limiter

_MAX_REQUESTS = 20_000


@dataclass(frozen=True)
class RecordedRequest:
    """Header names are in lower case. Status 0: the connection was dropped."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int


@dataclass
class State:
    """`requests`: the latest requests. `counts`: all requests by kind of path and status."""

    budget: Budget
    limiter: Limiter
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=_MAX_REQUESTS))
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)

    def record(self, request: Request, status: int) -> None:
        self.counts[_kind(request.scope["path"]), status] += 1
        path = request.scope.get("root_path", "") + request.scope["path"]
        self.requests.append(RecordedRequest(request.method, path, request.url.query, dict(request.headers), status))

    def clear(self) -> None:
        """Reset all counters."""
        self.limiter.clear()
        self.counts.clear()
        self.requests.clear()
        self.budget.used = 0


def _kind(path: str) -> str:
    """Return the last word of a path, with {id} for one object: runs, runs/{id}, jobs."""
    parts = path.rstrip("/").rsplit("/", 2)
    return f"{parts[-2]}/{{id}}" if parts[-1].isdigit() and len(parts) > 2 else parts[-1]
