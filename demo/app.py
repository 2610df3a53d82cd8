"""GitHub's REST API, the part about Actions, as an ASGI app over a World."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from demo.answers import AccountAnswers, RunAnswers
from demo.gate import STORAGE, Budget, Gate, Moved, Refused, cut_off
from demo.limits import Limiter, Limits
from demo.log_answers import LogAnswers
from demo.model import Repository
from demo.paging import BadQuestion, base_url
from demo.world import World

Answer = Callable[[Request], Response]
RepositoryAnswer = Callable[[Request, Repository], Response]


def create_app(
    world: World,
    *,
    tokens: set[str] | None = None,
    rate_limit: int | None = 5000,
    clock: Callable[[], datetime] | None = None,
    latency: float = 0,
    limits: Limits | None = None,
) -> "Simulator":
    """`tokens`: the only ones accepted (null: any, or none). `rate_limit` is an hour by `clock`, the world's unless
    given; null: no limit and no headers about one. `latency` in seconds, and `limits` are GitHub's secondary ones, by
    real time. `app.state.requests` remembers what was asked, `app.state.limiter` counts it."""
    gate = Gate(Budget(rate_limit, clock or world.clock), tokens)
    return Simulator(world, gate, Limiter(limits), latency)


class Simulator(Starlette):
    """Waits for many requests at once, but answers one at a time: nothing changes while an answer is put together."""

    def __init__(self, world: World, gate: Gate, limiter: Limiter, latency: float) -> None:
        super().__init__()
        self._world, self._gate, self._limiter, self._latency = world, gate, limiter, latency
        self._routes = _routes(world, gate.budget)
        self.state.world, self.state.budget, self.state.requests = world, gate.budget, gate.requests
        self.state.limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if scope["path"].startswith(STORAGE):
            await self._serve(request, send)
            return
        try:
            self._limiter.enter(scope["method"])
        except Refused as error:
            error.headers |= self._gate.budget.headers()
            self._gate.record(request, error.status)
            await error.response()(scope, receive, send)
            return
        try:
            await self._serve(request, send)
        finally:
            self._limiter.leave()

    async def _serve(self, request: Request, send: Send) -> None:
        if self._latency:
            await asyncio.sleep(self._latency)
        scope, receive = request.scope, request.receive
        fault = self._world.faults.next_for(request.url.path, request.url.query)
        if fault and fault.status == 0:
            self._gate.record(request, 0)
            await cut_off(fault, send)
            return
        response = self._respond(request, scope, fault is not None)
        if fault:
            response = Response(fault.body, fault.status, fault.headers, "application/json; charset=utf-8")
        self._gate.record(request, response.status_code)
        await response(scope, receive, send)

    def _respond(self, request: Request, scope: Scope, spoiled: bool) -> Response:
        if spoiled:
            return Response()
        self._world.advance()
        return self._gate.answer(request, lambda: self._routed(request, scope))

    def _routed(self, request: Request, scope: Scope) -> Response:
        for route, respond in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return respond(request)
        raise Refused(404, "Not Found")


def _routes(world: World, budget: Budget) -> list[tuple[Route, Answer]]:
    account, runs, logs = AccountAnswers(world, budget), RunAnswers(world), LogAnswers(world)
    run, attempt = "/actions/runs/{run:int}", "/actions/runs/{run:int}/attempts/{attempt:int}"
    inside: dict[str, RepositoryAnswer] = {
        "": account.repository,
        "/actions/workflows": account.workflows,
        "/actions/workflows/{workflow}": account.workflow,
        "/actions/workflows/{workflow}/runs": runs.runs,
        "/actions/runs": runs.runs,
        run: runs.run,
        attempt: runs.run,
        f"{run}/jobs": runs.jobs,
        f"{attempt}/jobs": runs.jobs,
        f"{run}/logs": logs.of_run,
        f"{attempt}/logs": logs.of_run,
        "/actions/jobs/{job:int}": runs.job,
        "/actions/jobs/{job:int}/logs": logs.of_job,
        "/check-runs/{job:int}/annotations": logs.annotations,
    }
    outside: dict[str, Answer] = {
        "/rate_limit": account.rate_limit,
        "/user": account.user,
        "/orgs/{owner}": account.owner,
        "/users/{owner}": account.owner,
        "/orgs/{owner}/repos": account.owned,
        "/users/{owner}/repos": account.owned,
        "/_logs/{made:int}/{kind}/{number:int}": logs.stored,
    }
    found = [(_route(path), respond) for path, respond in outside.items()]
    for path, respond in inside.items():
        within = _within(world, respond)
        found += [(_route("/repos/{owner}/{name}" + path), within), (_route("/repositories/{id:int}" + path), within)]
    return found


def _route(path: str) -> Route:
    return Route(path, lambda _: Response())


def _within(world: World, respond: RepositoryAnswer) -> Answer:
    def answer(request: Request) -> Response:
        try:
            return respond(request, _repository(world, request))
        except Moved as moved:
            return moved.response()
        except BadQuestion as error:
            raise Refused(422, str(error)) from None

    return answer


def _repository(world: World, request: Request) -> Repository:
    asked = request.path_params
    if "id" in asked:
        found = world.by_id(asked["id"])
    else:
        name = f"{asked['owner']}/{asked['name']}"
        moved = world.by_id(world.renamed.get(name.lower(), -1))
        if moved:
            rest = request.url.path[len(f"/repos/{name}") :]
            query = f"?{request.url.query}" if request.url.query else ""
            raise Moved(moved, f"{base_url(request)}/repositories/{moved.id}{rest}{query}")
        found = world.find(name)
    if found is None:
        raise Refused(404, "Not Found")
    return found
