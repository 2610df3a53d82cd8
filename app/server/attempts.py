"""How often one address may begin to sign in: each attempt makes the dashboard ask the provider or sign a state."""

import threading
import time
from collections import OrderedDict

MOST, SECONDS = 30, 60.0
_MOST_ADDRESSES = 10_000


class Attempts:
    """Counts by address within windows of SECONDS; the longest known address is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Counts one; 0 where it may go on, else the seconds until it may again."""
        now = time.monotonic()
        with self._lock:
            began, count = self._counts.get(address, (now, 0))
            if now - began >= SECONDS:
                began, count = now, 0
            self._counts[address] = began, count + 1
            while len(self._counts) > _MOST_ADDRESSES:
                self._counts.popitem(last=False)
            return 0 if count < MOST else max(1, round(began + SECONDS - now))

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()


ATTEMPTS = Attempts()
