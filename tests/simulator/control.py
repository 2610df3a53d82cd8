"""Endpoints under /_control/ by which a test in another process controls the simulator."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.github.responses import json_response
from demo.world.world import utc_now
from tests.simulator.changes import changes
from tests.simulator.fault_injection import Chaos, Rates
from tests.simulator.state import State
from tests.simulator.truth import truth
from tests.simulator.world import EditableWorld

CONTROL_PATH = "/_control/"
Body = dict[str, Any]


class MovableClock:
    """Real time plus `offset`."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.offset, self._clock = timedelta(0), clock

    def __call__(self) -> datetime:
        return self._clock() + self.offset


class Control:
    def __init__(self, world: EditableWorld, state: State) -> None:
        self._world, self._state = world, state
        self._handlers: dict[tuple[str, str], Callable[[Body], Any]] = {
            ("GET", "stats"): self._stats,
            ("GET", "truth"): lambda _: truth(world).to_json(),
            ("POST", "changes"): self._changes,
            ("POST", "clock"): self._move_clock,
            ("POST", "faults"): self._faults,
            ("POST", "reset"): self._reset,
        }

    async def respond(self, request: Request) -> Response:
        """Respond with 404 to an unknown endpoint and with 400 and a reason to invalid arguments."""
        path = request.scope["root_path"] + request.scope["path"]
        handler = self._handlers.get((request.method, path.removeprefix(CONTROL_PATH)))
        if handler is None:
            return json_response({"message": "Not Found"}, 404)
        try:
            return json_response(handler(json.loads(await request.body() or b"{}")))
        except (TypeError, ValueError) as error:
            return json_response({"message": str(error)}, 400)

    def _stats(self, _: Body) -> Body:
        kinds: dict[str, dict[str, int]] = {}
        for (kind, status), count in sorted(self._state.counts.items()):
            kinds.setdefault(kind, {})[str(status)] = count
        return {
            "limiter": self._state.limiter.counters(),
            "requests": {"total": sum(self._state.counts.values()), "by_kind": kinds},
            "budget": {"limit": self._state.budget.limit, "used": self._state.budget.used},
            "chaos": self._world.chaos.counts if self._world.chaos else {},
            "now": self._world.clock().isoformat(),
        }

    def _changes(self, body: Body) -> Body:
        """Call changes() with the body as arguments, after moving the clock by `hours` unless `move_clock` is false."""
        if body.pop("move_clock", True):
            self._move_clock({"seconds": body.get("hours", 3) * 3600})
        return asdict(changes(self._world, **body))

    def _move_clock(self, body: Body) -> Body:
        clock = self._world.clock
        if not isinstance(clock, MovableClock):
            raise ValueError("this world's clock cannot be moved")
        clock.offset += timedelta(seconds=body["seconds"])
        return {"now": clock().isoformat(), "offset_seconds": clock.offset.total_seconds()}

    def _faults(self, body: Body) -> Body:
        """Start fault injection with the body as arguments of Chaos, or stop it: {"stop": true}."""
        if body.pop("stop", False):
            if self._world.chaos:
                self._world.chaos.stop()
        else:
            rates = Rates.only(**body.pop("rates")) if "rates" in body else Rates()
            self._world.chaos = Chaos(rates=rates, **body)
        return {"counts": self._world.chaos.counts if self._world.chaos else {}}

    def _reset(self, _: Body) -> Body:
        self._state.clear()
        return {}
