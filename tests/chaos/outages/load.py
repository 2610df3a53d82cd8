"""Those who ask and tell while parts of the set are away: clients of the API, and GitHub with its webhooks."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import httpx

from demo.webhooks.delivery import Delivery, headers
from tests.chaos.outages.stand import SECRET

_PATIENCE_SECONDS = 20.0
_QUESTIONS = (
    "/api/metrics?since=60d",
    "/api/runs?limit=50",
    "/api/metrics/series?interval=day",
    "/api/metrics/groups?by=workflow",
    "/api/repositories",
    "/api/insights/attention",
)


@dataclass(frozen=True)
class Answer:
    """`at`: seconds of the monotonic clock when it came; `status` 0: none came."""

    at: float
    seconds: float
    status: int


@dataclass
class Clients:
    """Each asks five times a second, waits for the answer, and never asks twice the same in a row."""

    address: str
    count: int = 3
    answers: list[Answer] = field(default_factory=list)
    # Of runs that were created long ago, which only ever become more.
    totals: list[int] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def run(self, first: int, ended: threading.Event) -> None:
        with httpx.Client(base_url=self.address, timeout=_PATIENCE_SECONDS, verify=False) as client:
            place = first
            while not ended.wait(0.2):
                question = _QUESTIONS[place % len(_QUESTIONS)]
                place += 1
                begun = time.monotonic()
                try:
                    answer = client.get(question)
                except httpx.TransportError:
                    self._take(begun, 0)
                    continue
                self._take(begun, answer.status_code)
                if answer.status_code == 200 and question == _QUESTIONS[0]:
                    self.totals.append(answer.json()["runs"]["total"])
                elif answer.status_code != 200 and not answer.json().get("detail"):
                    self.unclear.append(f"{answer.status_code} {answer.text[:200]}")

    def _take(self, begun: float, status: int) -> None:
        now = time.monotonic()
        self.answers.append(Answer(now, now - begun, status))


@dataclass
class Hooks:
    """At a steady rate, each once, as GitHub does: what is not taken is not sent again."""

    address: str
    deliveries: Sequence[Delivery]
    rate: float
    answers: list[Answer] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def run(self, ended: threading.Event) -> None:
        with httpx.Client(base_url=self.address, timeout=10, verify=False) as client:
            for delivery in self.deliveries:
                if ended.wait(1 / self.rate):
                    return
                begun, status = time.monotonic(), 0
                try:
                    status = client.post(
                        "/api/webhooks/github", content=delivery.body, headers=headers(delivery, SECRET)
                    ).status_code
                except httpx.TransportError:
                    status = 0
                if status == 202:
                    self.taken.add(delivery.id)
                now = time.monotonic()
                self.answers.append(Answer(now, now - begun, status))


def seen(answers: Sequence[Answer], since: float, until: float, good: int) -> str:
    """In one line: answers by status, the longest time without a good one, and the slowest."""
    within = [each for each in answers if since <= each.at <= until]
    counted = Counter(each.status for each in within)
    moments = [since, *(each.at for each in within if each.status == good), until]
    gap = max(after - before for before, after in pairwise(moments))
    told = ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(counted.items(), reverse=True))
    slowest = max((each.seconds for each in within), default=0.0)
    return f"{told}; {gap:.1f} s without a {good}; slowest {slowest:.1f} s"
