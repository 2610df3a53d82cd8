"""The connection between browser and dashboard, which can be delayed."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright import sync_api


class SlowLine:
    """Must be made before the page is opened. What the dashboard says waits between `hold` and `release`."""

    def __init__(self, page: "sync_api.Page") -> None:
        self._page, self._holding = page, False
        self._held: list[str | bytes] = []
        page.route_web_socket("**/_stcore/stream", self._open)

    def _open(self, browser: "sync_api.WebSocketRoute") -> None:
        self._browser = browser
        browser.connect_to_server().on_message(self._pass)

    def _pass(self, message: str | bytes) -> None:
        if self._holding:
            self._held.append(message)
        else:
            self._browser.send(message)

    def hold(self) -> None:
        self._holding = True

    def wait(self) -> None:
        """Until something waits, and nothing more came for a third of a second."""
        until, before = time.monotonic() + 15, -1
        while not self._held or len(self._held) != before:
            assert time.monotonic() < until, "the dashboard goes on talking, or says nothing"
            before = len(self._held)
            self._page.wait_for_timeout(350)

    def release(self) -> None:
        self._holding = False
        for message in self._held:
            self._browser.send(message)
        self._held.clear()

    def trickle(self, pause_ms: int) -> None:
        """Lets messages through one by one, with a pause after each, until none came for a second."""
        until, silent_since = time.monotonic() + 60, float("inf")
        while time.monotonic() < until and time.monotonic() - silent_since < 1:
            self._page.wait_for_timeout(pause_ms)
            if self._held:
                self._browser.send(self._held.pop(0))
                silent_since = time.monotonic()
        self.release()
