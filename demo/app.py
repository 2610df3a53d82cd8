"""GitHub's REST API, the part about Actions, as an ASGI app over a World."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from demo.app_access import AppAccess
from demo.chaos import Way, meet
from demo.control import CONTROL, Control
from demo.gate import STORAGE, Budget, Gate, Refused, cut_off
from demo.limits import Limiter, Limits
from demo.routes import Routes, account_routes
from demo.world import World


def create_app(
    world: World,
    *,
    tokens: set[str] | None = None,
    rate_limit: int | None = 5000,
    clock: Callable[[], datetime] | None = None,
    latency: float = 0,
    limits: Limits | None = None,
    app: AppAccess | None = None,
    base_path: str = "",
    control: bool = False,
) -> "Simulator":
    """`tokens`: the only ones accepted (null: any, or none). `rate_limit` is an hour by `clock`, the world's unless
    given; null: no limit and no headers about one. `latency` in seconds, and `limits` are GitHub's secondary ones, by
    real time. `app`: an App whose installation tokens are good, too. `base_path`: where the API begins, as /api/v3 on
    an own server. `control`: lets another process steer it, see `demo.control`. `app.state.requests` remembers what
    was asked, `app.state.limiter` counts it."""
    allows = (lambda token: app.allows(token, world.clock())) if app else None
    gate = Gate(Budget(rate_limit, clock or world.clock), tokens, allows)
    routes = account_routes(world, gate.budget, app)
    simulator = Simulator(world, gate, routes, Limiter(limits), latency=latency, base_path=base_path)
    if control:
        simulator.state.control = Control(world, gate, simulator.state.limiter)
    return simulator


class Simulator(Starlette):
    """Waits for many requests at once, but answers one at a time: nothing changes while an answer is put together."""

    def __init__(
        self, world: World, gate: Gate, routes: Routes, limiter: Limiter, *, latency: float, base_path: str
    ) -> None:
        super().__init__()
        self._base_path = base_path.rstrip("/")
        self._world, self._gate, self._limiter, self._latency = world, gate, limiter, latency
        self._routes = routes
        self.state.world, self.state.budget, self.state.requests = world, gate.budget, gate.requests
        self.state.limiter, self.state.control = limiter, None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, base = scope["path"], self._base_path
        if path.startswith(base + "/"):
            scope = {**scope, "path": path[len(base) :], "base_path": base}
        request = Request(scope, receive)
        if self.state.control and path.startswith(CONTROL):
            await (await self.state.control.answer(request))(scope, receive, send)
        elif path.startswith(STORAGE):
            await self._serve(request, send)
        elif "base_path" not in scope:
            await self._refuse(request, send, Refused(404, "Not Found"))
        else:
            await self._limited(request, send)

    async def _limited(self, request: Request, send: Send) -> None:
        try:
            self._limiter.enter(request.method)
        except Refused as error:
            error.headers |= self._gate.budget.headers()
            await self._refuse(request, send, error)
            return
        try:
            await self._serve(request, send)
        finally:
            self._limiter.leave()

    async def _refuse(self, request: Request, send: Send, error: Refused) -> None:
        self._gate.record(request, error.status)
        await error.response()(request.scope, request.receive, send)

    async def _serve(self, request: Request, send: Send) -> None:
        if self._latency:
            await asyncio.sleep(self._latency)
        chaos = self._world.chaos
        trouble = chaos.befall(request) if chaos else None
        if chaos and trouble:
            record = partial(self._gate.record, request)
            respond = partial(self._respond, request)
            await meet(trouble, chaos, Way(request, send, respond, record, self._gate.budget.headers()))
            return
        fault = self._world.faults.next_for(request.url.path, request.url.query)
        if fault and fault.status == 0:
            self._gate.record(request, 0)
            await cut_off(fault, send)
            return
        if fault:
            response = Response(fault.body, fault.status, fault.headers, "application/json; charset=utf-8")
        else:
            response = self._respond(request)
        self._gate.record(request, response.status_code)
        await response(request.scope, request.receive, send)

    def _respond(self, request: Request) -> Response:
        self._world.advance()
        return self._gate.answer(request, lambda: self._routed(request))

    def _routed(self, request: Request) -> Response:
        found = self._routes.find(request.method, request.scope["path"])
        if found is None:
            raise Refused(404, "Not Found")
        respond, request.scope["path_params"] = found
        return respond(request)
