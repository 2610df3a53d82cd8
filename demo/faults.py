"""Things that go wrong on purpose, for tests."""

import re
from dataclasses import dataclass, field

_SERVER_ERROR = '{"message": "Server Error"}'


@dataclass
class Fault:
    """`times` answers of this kind to paths that match, then normal again. Status 0 drops the connection: at once, or
    after the bytes in `sent`."""

    pattern: re.Pattern[str]
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = _SERVER_ERROR
    times: int = 1
    sent: bytes | None = None


class Faults:
    """A pattern is searched in the path, and in path and query together."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self,
        path_regex: str,
        *,
        status: int,
        headers: dict[str, str] | None = None,
        body: str = _SERVER_ERROR,
        times: int = 1,
    ) -> None:
        self._waiting.append(Fault(re.compile(path_regex), status, headers or {}, body, times))

    def drop_connection(self, path_regex: str, *, times: int = 1, sent: bytes | None = None) -> None:
        self._waiting.append(Fault(re.compile(path_regex), 0, times=times, sent=sent))

    def clear(self) -> None:
        self._waiting.clear()

    def next_for(self, path: str, query: str = "") -> Fault | None:
        for fault in self._waiting:
            if fault.times > 0 and (fault.pattern.search(path) or fault.pattern.search(f"{path}?{query}")):
                fault.times -= 1
                return fault
        return None
