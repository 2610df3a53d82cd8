"""Things that go wrong on purpose, for tests."""

import re
from dataclasses import dataclass, field


@dataclass
class Fault:
    """`times` answers of this kind to paths that match, then normal again. Status 0 drops the connection."""

    pattern: re.Pattern[str]
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"message": "Server Error"}'
    times: int = 1


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self, path: str, *, status: int, headers: dict[str, str] | None = None, body: str | None = None, times: int = 1
    ) -> None:
        fault = Fault(re.compile(path), status, headers or {}, times=times)
        if body is not None:
            fault.body = body
        self._waiting.append(fault)

    def drop_connection(self, path: str, *, times: int = 1) -> None:
        self._waiting.append(Fault(re.compile(path), 0, times=times))

    def next_for(self, path: str) -> Fault | None:
        for fault in self._waiting:
            if fault.times > 0 and fault.pattern.search(path):
                fault.times -= 1
                return fault
        return None
