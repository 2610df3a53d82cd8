"""Somebody who looks at the dashboard, and does nothing else."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright import sync_api

# What stands on the page that is not the usual: the notices, Streamlit's own word on its connection, its dialogs.
_LOOK = """() => {
    const text = (selector) => [...document.querySelectorAll(selector)].map(e => e.innerText.trim()).filter(Boolean)
    const short = (t) => t.replace(/\\s+/g, ' ').slice(0, 160)
    return {
        notices: [...text('.st-key-state-error'), ...text('[data-testid=stAlert]'), ...text('[role=dialog]'),
                  ...text('[data-testid=stConnectionStatus]'), ...text('[data-testid=stException]')].map(short),
        charts: document.querySelectorAll('.js-plotly-plot').length,
    }
}"""


@dataclass
class Viewer:
    """`notices`: since when, until when, in seconds of the monotonic clock, and what."""

    page: "sync_api.Page"
    notices: list[tuple[float, float, str]] = field(default_factory=list)
    without_charts: list[float] = field(default_factory=list)

    def look(self) -> bool:
        """Whether all is as usual."""
        now, found = time.monotonic(), self.page.evaluate(_LOOK)
        for notice in found["notices"]:
            last = next((each for each in self.notices if each[2] == notice and now - each[1] < 3), None)
            if last:
                self.notices.remove(last)
            self.notices.append((last[0] if last else now, now, notice))
        if not found["charts"]:
            self.without_charts.append(now)
        return not found["notices"] and found["charts"] > 0

    def watch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            self.page.wait_for_timeout(200)

    def seen(self, since: float, until: float) -> str:
        told = [
            f"{begun - since:+.1f} to {ended - since:+.1f} s: {what}"
            for begun, ended, what in sorted(self.notices)
            if ended >= since and begun <= until
        ]
        bare = sum(since <= moment <= until for moment in self.without_charts)
        return ("; ".join(told) or "nothing") + (f"; charts were away in {bare} looks" if bare else "; charts stayed")
