"""The simulated GitHub with what tests add: tokens, limits, faults, latency, control and a record of requests."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from threading import Thread
from time import sleep

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.github.app import GitHub
from demo.github.responses import STORAGE_PATH, GitHubError
from demo.server import tcp_socket
from tests.simulator.control import CONTROL_PATH, Control
from tests.simulator.extension import SimulatorExtension
from tests.simulator.fault_injection import FaultContext, inject
from tests.simulator.github_app import GitHubApp, add_app_routes
from tests.simulator.limits import Limiter, Limits
from tests.simulator.planned_faults import drop
from tests.simulator.state import State
from tests.simulator.world import EditableWorld


def create_app(
    world: EditableWorld,
    *,
    tokens: set[str] | None = None,
    rate_limit: int | None = 5000,
    clock: Callable[[], datetime] | None = None,
    latency: float = 0,
    limits: Limits | None = None,
    app: GitHubApp | None = None,
    base_path: str = "",
    control: bool = False,
) -> "Simulator":
    """Return the simulator.

    `tokens`: the accepted ones; None: any or none. `rate_limit` is the number of requests an hour by `clock`, the
    world's unless given; None: no limit and no headers about it. `latency` is in seconds. `limits` are GitHub's
    secondary rate limits, in real time. `app`: an App whose installation tokens are accepted as well. `base_path`:
    path of the API, as /api/v3 on a GitHub Enterprise Server. `control`: adds the endpoints of
    tests.simulator.control."""
    github = GitHub(world, rate_limit=rate_limit, clock=clock, extension=SimulatorExtension(world, tokens, app))
    if app:
        add_app_routes(github.routes, world, app)
    state = State(github.budget, Limiter(limits))
    return Simulator(world, github, state, latency=latency, base_path=base_path, control=control)


class Simulator:
    """ASGI application. Many requests wait at the same time, but responses are built one after the other."""

    def __init__(
        self, world: EditableWorld, github: GitHub, state: State, *, latency: float, base_path: str, control: bool
    ) -> None:
        self._world, self._github, self.state = world, github, state
        self._latency, self._base_path = latency, base_path.rstrip("/")
        self._control = Control(world, state) if control else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, base = scope["path"], self._base_path
        in_api = path.startswith(base + "/")
        if in_api:
            scope = {**scope, "path": path[len(base) :], "root_path": base}
        request = Request(scope, receive)
        if self._control and path.startswith(CONTROL_PATH):
            await (await self._control.respond(request))(scope, receive, send)
        elif path.startswith(STORAGE_PATH):
            await self._serve(request, send)
        elif in_api:
            await self._serve_limited(request, send)
        else:
            await self._refuse(request, send, GitHubError(404, "Not Found"))

    async def _serve_limited(self, request: Request, send: Send) -> None:
        try:
            self.state.limiter.enter(request.method)
        except GitHubError as error:
            error.headers |= self.state.budget.headers()
            await self._refuse(request, send, error)
            return
        try:
            await self._serve(request, send)
        finally:
            self.state.limiter.leave()

    async def _refuse(self, request: Request, send: Send, error: GitHubError) -> None:
        self.state.record(request, error.status)
        await error.response()(request.scope, request.receive, send)

    async def _serve(self, request: Request, send: Send) -> None:
        if self._latency:
            await asyncio.sleep(self._latency)
        record, respond = partial(self.state.record, request), partial(self._github.respond, request)
        chaos = self._world.chaos
        random_fault = chaos.pick_fault(request) if chaos else None
        if chaos and random_fault:
            context = FaultContext(request, send, respond, record, self.state.budget.headers())
            await inject(random_fault, chaos, context)
            return
        fault = self._world.faults.next_for(request.scope["path"], request.url.query)
        if fault and fault.status == 0:
            record(0)
            await drop(fault, send)
            return
        if fault:
            response = Response(fault.body, fault.status, fault.headers, "application/json; charset=utf-8")
        else:
            response = respond()
        record(response.status_code)
        await response(request.scope, request.receive, send)


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve the app in a thread on a free port of loopback; yields the base URL."""
    listener = tcp_socket("127.0.0.1")
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        sleep(0.002)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
