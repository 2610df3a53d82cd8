"""Faults that a test plans for its next requests."""

import re
from dataclasses import dataclass, field

from starlette.types import Send

_SERVER_ERROR = '{"message": "Server Error"}'


@dataclass
class PlannedFault:
    """Response to the next `times` requests that match. Status 0 drops the connection: at once, or after the bytes in
    `sent`."""

    pattern: re.Pattern[str]
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = _SERVER_ERROR
    times: int = 1
    sent: bytes | None = None


class PlannedFaults:
    """A pattern is searched in the path, and in the path with its query."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []

    def add(
        self,
        path_regex: str,
        *,
        status: int,
        headers: dict[str, str] | None = None,
        body: str = _SERVER_ERROR,
        times: int = 1,
    ) -> None:
        self._planned.append(PlannedFault(re.compile(path_regex), status, headers or {}, body, times))

    def drop_connection(self, path_regex: str, *, times: int = 1, sent: bytes | None = None) -> None:
        self._planned.append(PlannedFault(re.compile(path_regex), 0, times=times, sent=sent))

    def clear(self) -> None:
        self._planned.clear()

    def next_for(self, path: str, query: str = "") -> PlannedFault | None:
        """Return the fault for this request and count it."""
        for fault in self._planned:
            if fault.times > 0 and (fault.pattern.search(path) or fault.pattern.search(f"{path}?{query}")):
                fault.times -= 1
                return fault
        return None


async def drop(fault: PlannedFault, send: Send) -> None:
    """End the connection: at once, or after the first bytes of a body that is announced to be longer."""
    if fault.sent is not None:
        length = str(len(fault.sent) + 1000).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": fault.sent, "more_body": True})
        return
    # ASGI has no message that closes the connection; uvicorn's object behind `send` has the transport.
    getattr(send, "__self__").transport.abort()  # noqa: B009
