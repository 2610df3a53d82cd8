"""Addresses by which a test harness in another process steers the simulator. Never in the normal demo."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.changes import changes
from demo.chaos import Chaos, Rates
from demo.gate import Gate, answer
from demo.limits import Limiter
from demo.truth import truth
from demo.world import World, utc_now

CONTROL = "/_control/"
Body = dict[str, Any]


class MovableClock:
    """Real time, and `offset` on top of it."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.offset, self._clock = timedelta(0), clock

    def __call__(self) -> datetime:
        return self._clock() + self.offset


class Control:
    def __init__(self, world: World, gate: Gate, limiter: Limiter) -> None:
        self._world, self._gate, self._limiter = world, gate, limiter
        self._answers: dict[tuple[str, str], Callable[[Body], Any]] = {
            ("GET", "stats"): self._stats,
            ("GET", "truth"): lambda _: truth(world).to_json(),
            ("POST", "changes"): self._changes,
            ("POST", "clock"): self._move,
            ("POST", "faults"): self._faults,
            ("POST", "reset"): self._reset,
        }

    async def answer(self, request: Request) -> Response:
        """404 for what is not known, 400 with a reason for what cannot be done."""
        wanted = self._answers.get((request.method, request.scope["path"].removeprefix(CONTROL)))
        if wanted is None:
            return answer({"message": "Not Found"}, 404)
        try:
            return answer(wanted(json.loads(await request.body() or b"{}")))
        except (TypeError, ValueError) as error:
            return answer({"message": str(error)}, 400)

    def _stats(self, _: Body) -> Body:
        kinds: dict[str, dict[str, int]] = {}
        for (kind, status), count in sorted(self._gate.counts.items()):
            kinds.setdefault(kind, {})[str(status)] = count
        return {
            "limiter": self._limiter.counters(),
            "requests": {"total": sum(self._gate.counts.values()), "by_kind": kinds},
            "budget": {"limit": self._gate.budget.limit, "used": self._gate.budget.used},
            "chaos": self._world.chaos.counts if self._world.chaos else {},
            "now": self._world.clock().isoformat(),
        }

    def _changes(self, body: Body) -> Body:
        """The arguments of changes(); the clock moves by its `hours` first, unless `move_clock` is false."""
        if body.pop("move_clock", True):
            self._move({"seconds": body.get("hours", 3) * 3600})
        return asdict(changes(self._world, **body))

    def _move(self, body: Body) -> Body:
        clock = self._world.clock
        if not isinstance(clock, MovableClock):
            raise ValueError("this world's clock cannot be moved")
        clock.offset += timedelta(seconds=body["seconds"])
        return {"now": clock().isoformat(), "offset_seconds": clock.offset.total_seconds()}

    def _faults(self, body: Body) -> Body:
        """Starts a chaos of these arguments, with `rates` among them, or ends the one that goes on: {"stop": true}."""
        if body.pop("stop", False):
            if self._world.chaos:
                self._world.chaos.stop()
        else:
            rates = Rates.only(**body.pop("rates")) if "rates" in body else Rates()
            self._world.chaos = Chaos(rates=rates, **body)
        return {"counts": self._world.chaos.counts if self._world.chaos else {}}

    def _reset(self, _: Body) -> Body:
        """Counts from zero again."""
        self._limiter.clear()
        self._gate.counts.clear()
        self._gate.requests.clear()
        self._gate.budget.used = 0
        return {}
