"""Logs that somebody is reading: unpacked once, kept while there is room for them in memory."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from app.logs.index import LogIndex

Key = tuple[int, int]


class Shelf:
    """The least recently read log goes first; the one being read is kept whatever its size."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, LogIndex] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], LogIndex]) -> LogIndex:
        """One is made at a time, and once for all who ask for it."""
        with self._lock:
            found = self._kept.pop(key, None) or make()
            self._kept[key] = found
            while len(self._kept) > 1 and self.size_bytes > self._most_bytes:
                self._kept.popitem(last=False)
            return found

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self._kept.values())
