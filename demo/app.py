"""GitHub's REST API, the part about Actions, as an ASGI app over a World."""

import hashlib
import json
import time as clocks
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from demo import github_json as shape
from demo.archive import zipped
from demo.causes import ANNOTATIONS, DEFAULT_ANNOTATION
from demo.logs import log_text
from demo.model import Attempt, Job, Repository, Run
from demo.paging import BadQuestion, choose, cut
from demo.world import World

_DOCS = "https://docs.github.com/rest"
_REMEMBERED = 20_000
_URL_LIVES = timedelta(seconds=60)


@dataclass(frozen=True)
class Recorded:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int


class Refused(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class Budget:
    """The primary limit of one hour."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self.reset = int(clocks.time()) + 3600

    def headers(self) -> dict[str, str]:
        if clocks.time() >= self.reset:
            self.used, self.reset = 0, int(clocks.time()) + 3600
        left = max(self.limit - self.used, 0)
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(self.reset),
            "x-ratelimit-resource": "core",
        }


def create_app(world: World, *, tokens: set[str] | None = None, rate_limit: int = 5000) -> Starlette:
    """`tokens`: the only ones accepted (null: any, or none). `app.state.requests` remembers what was asked."""
    api = _Api(world)
    app = Starlette(routes=api.routes())
    app.state.requests = deque[Recorded](maxlen=_REMEMBERED)
    app.state.budget = Budget(rate_limit)
    app.state.world = world
    app.add_middleware(BaseHTTPMiddleware, dispatch=_Gate(app, world, tokens))
    return app


class _Gate:
    """What happens before and after every request: faults, rights, the limit, ETags, the record."""

    def __init__(self, app: Starlette, world: World, tokens: set[str] | None) -> None:
        self._app, self._world, self._tokens = app, world, tokens

    async def __call__(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path.startswith("/_logs/"):
            response = await call_next(request)
        else:
            try:
                response = await self._limited(request, call_next)
            except Refused as error:
                response = _refusal(error)
        path, headers = request.url.path, dict(request.headers)
        self._app.state.requests.append(
            Recorded(request.method, path, request.url.query, headers, response.status_code)
        )
        return response

    async def _limited(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        budget: Budget = self._app.state.budget
        fault = self._world.faults.next_for(request.url.path)
        if fault:
            if fault.status == 0:
                raise ConnectionResetError("dropped on purpose")
            return Response(fault.body, fault.status, fault.headers, "application/json")
        self._check_token(request)
        if budget.used >= budget.limit and request.url.path != "/rate_limit":
            raise Refused(403, "API rate limit exceeded for user ID 1.", budget.headers())
        self._world.advance()
        response = await call_next(request)
        body = b"".join([chunk async for chunk in response.body_iterator])  # type: ignore[attr-defined]
        etag = f'W/"{hashlib.sha256(body).hexdigest()}"'
        unchanged = response.status_code == 200 and request.headers.get("if-none-match") == etag
        budget.used += 0 if unchanged or request.url.path == "/rate_limit" else 1
        headers = {k: v for k, v in response.headers.items() if k != "content-length"} | budget.headers()
        if response.status_code == 200:
            headers["etag"] = etag
        return Response(b"" if unchanged else body, 304 if unchanged else response.status_code, headers)

    def _check_token(self, request: Request) -> None:
        given = request.headers.get("authorization", "").partition(" ")[2]
        if self._tokens is not None and given not in self._tokens:
            raise Refused(401, "Bad credentials")


class _Api:
    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        inside: list[tuple[str, Callable[[Request, Repository], Response]]] = [
            ("", self.repository),
            ("/actions/workflows", self.workflows),
            ("/actions/workflows/{workflow}", self.workflow),
            ("/actions/workflows/{workflow}/runs", self.runs),
            ("/actions/runs", self.runs),
            ("/actions/runs/{run:int}", self.run),
            ("/actions/runs/{run:int}/attempts/{attempt:int}", self.run),
            ("/actions/runs/{run:int}/jobs", self.jobs),
            ("/actions/runs/{run:int}/attempts/{attempt:int}/jobs", self.jobs),
            ("/actions/runs/{run:int}/logs", self.run_logs),
            ("/actions/runs/{run:int}/attempts/{attempt:int}/logs", self.run_logs),
            ("/actions/jobs/{job:int}", self.job),
            ("/actions/jobs/{job:int}/logs", self.job_log),
            ("/check-runs/{job:int}/annotations", self.annotations),
        ]
        found = [
            Route("/rate_limit", self.rate_limit),
            Route("/user", lambda _: JSONResponse(shape.person("acme-bot"))),
            Route("/orgs/{owner}", self.owner),
            Route("/orgs/{owner}/repos", self.owned),
            Route("/users/{owner}/repos", self.owned),
            Route("/_logs/{made:int}/{kind}/{number:int}", self.stored_log),
        ]
        for path, answer in inside:
            found.append(Route("/repos/{owner}/{name}" + path, self._inside(answer)))
            found.append(Route("/repositories/{id:int}" + path, self._inside(answer)))
        return found

    def _inside(self, answer: Callable[[Request, Repository], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            try:
                return answer(request, self._repository(request))
            except _Moved as moved:
                return RedirectResponse(moved.url, 301)
            except Refused as error:
                return _refusal(error)
            except BadQuestion as error:
                return _refusal(Refused(422, str(error)))

        return endpoint

    def _repository(self, request: Request) -> Repository:
        if "id" in request.path_params:
            found = self.world.by_id(request.path_params["id"])
        else:
            name = f"{request.path_params['owner']}/{request.path_params['name']}"
            moved = self.world.renamed.get(name.lower())
            if moved:
                rest = request.url.path[len(f"/repos/{name}") :]
                query = f"?{request.url.query}" if request.url.query else ""
                raise _Moved(f"{_base(request)}/repositories/{moved}{quote(rest)}{query}")
            found = self.world.find(name)
        if found is None:
            raise Refused(404, "Not Found")
        return found

    def rate_limit(self, request: Request) -> Response:
        budget: Budget = request.app.state.budget
        core = {
            "limit": budget.limit,
            "used": budget.used,
            "remaining": budget.limit - budget.used,
            "reset": budget.reset,
        }
        return JSONResponse({"resources": {"core": core}, "rate": core})

    def owner(self, request: Request) -> Response:
        return JSONResponse(shape.person(request.path_params["owner"]))

    def owned(self, request: Request) -> Response:
        owner = request.path_params["owner"].lower()
        listed = [each for name, each in self.world.repositories.items() if name.startswith(owner + "/")]
        if not listed:
            return _refusal(Refused(404, "Not Found"))
        chosen, links = cut(listed, len(listed), request, request.url.path)
        return JSONResponse([shape.repository(each, _base(request)) for each in chosen], headers=links)

    def repository(self, request: Request, repo: Repository) -> Response:
        return JSONResponse(shape.repository(repo, _base(request)))

    def workflows(self, request: Request, repo: Repository) -> Response:
        listed = list(repo.workflows.values())
        chosen, links = cut(listed, len(listed), request, f"/repositories/{repo.id}/actions/workflows")
        found = [shape.workflow(repo, each, _base(request)) for each in chosen]
        return JSONResponse({"total_count": len(listed), "workflows": found}, headers=links)

    def workflow(self, request: Request, repo: Repository) -> Response:
        wanted = request.path_params["workflow"]
        for each in repo.workflows.values():
            if wanted in (str(each.id), each.file):
                return JSONResponse(shape.workflow(repo, each, _base(request)))
        raise Refused(404, "Not Found")

    def runs(self, request: Request, repo: Repository) -> Response:
        now = self.world.clock()
        wanted = request.path_params.get("workflow")
        listed = (r for r in self.world.newest(repo) if not wanted or wanted in (str(r.workflow.id), r.workflow.file))
        matching, total = choose(listed, request, now)
        path = f"/repositories/{repo.id}/actions/" + (f"workflows/{wanted}/runs" if wanted else "runs")
        chosen, links = cut(matching, total, request, path)
        found = [shape.run(each, now, _base(request)) for each in chosen]
        return JSONResponse({"total_count": total, "workflow_runs": found}, headers=links)

    def _run(self, request: Request, repo: Repository) -> tuple[Run, Attempt | None]:
        run = self.world.run(request.path_params["run"])
        if run is None or run.repository is not repo:
            raise Refused(404, "Not Found")
        number = request.path_params.get("attempt")
        if number is None:
            return run, None
        now = self.world.clock()
        attempt = next((each for each in run.attempts if each.number == number and each.started <= now), None)
        if attempt is None:
            raise Refused(404, "Not Found")
        return run, attempt

    def run(self, request: Request, repo: Repository) -> Response:
        run, attempt = self._run(request, repo)
        return JSONResponse(shape.run(run, self.world.clock(), _base(request), attempt))

    def jobs(self, request: Request, repo: Repository) -> Response:
        run, attempt = self._run(request, repo)
        now = self.world.clock()
        begun = [each for each in run.attempts if each.started <= now]
        shown = [attempt] if attempt else (begun if request.query_params.get("filter") == "all" else begun[-1:])
        listed = [(each, job) for each in shown for job in run.own_jobs(each, now)]
        chosen, links = cut(listed, len(listed), request, f"/repositories/{repo.id}/actions/runs/{run.id}/jobs")
        found = [shape.job(run, each, job, now, _base(request)) for each, job in chosen]
        return JSONResponse({"total_count": len(listed), "jobs": found}, headers=links)

    def _job(self, request: Request, repo: Repository) -> tuple[Run, Attempt, Job]:
        found = self.world.job(request.path_params["job"])
        if found is None or found[0].repository is not repo:
            raise Refused(404, "Not Found")
        return found

    def job(self, request: Request, repo: Repository) -> Response:
        run, attempt, job = self._job(request, repo)
        return JSONResponse(shape.job(run, attempt, job, self.world.clock(), _base(request)))

    def job_log(self, request: Request, repo: Repository) -> Response:
        run, _, job = self._job(request, repo)
        if self.world.log_expired(run):
            raise Refused(410, "Server Error")
        if job.status(self.world.clock()) != "completed" or job.phantom or job.conclusion == "skipped":
            raise Refused(404, "Not Found")
        return RedirectResponse(self._storage(request, "job", job.id), 302)

    def run_logs(self, request: Request, repo: Repository) -> Response:
        run, attempt = self._run(request, repo)
        shown = attempt or run.attempt_at(self.world.clock())
        if self.world.log_expired(run):
            raise Refused(410, "Server Error")
        if shown.status(self.world.clock()) != "completed":
            raise Refused(404, "Not Found")
        return RedirectResponse(self._storage(request, f"run-{shown.number}", run.id), 302)

    def annotations(self, request: Request, repo: Repository) -> Response:
        run, _, job = self._job(request, repo)
        if job.conclusion != "failure" or job.status(self.world.clock()) != "completed":
            return JSONResponse([])
        message = ANNOTATIONS.get(run.cause or "", DEFAULT_ANNOTATION)
        return JSONResponse([{"path": ".github", "start_line": 1, "end_line": 1, "annotation_level": "failure",
                              "title": "", "message": message, "raw_details": None}])  # fmt: skip

    def _storage(self, request: Request, kind: str, number: int) -> str:
        return f"{_base(request)}/_logs/{int(self.world.clock().timestamp())}/{kind}/{number}"

    def stored_log(self, request: Request) -> Response:
        """Storage, not GitHub: it wants no token and its addresses last a minute."""
        if "authorization" in request.headers:
            return PlainTextResponse("InvalidAuthenticationInfo", 400)
        made = datetime.fromtimestamp(request.path_params["made"], self.world.clock().tzinfo)
        if self.world.clock() - made > _URL_LIVES:
            return PlainTextResponse("AuthenticationFailed: signature not valid", 403)
        kind, number = request.path_params["kind"], request.path_params["number"]
        if kind == "job":
            found = self.world.job(number)
            text = self.world.logs.get(number) or (log_text(*found) if found else "")
            return PlainTextResponse(text)
        run = self.world.runs[number]
        attempt = next(each for each in run.attempts if each.number == int(kind.removeprefix("run-")))
        return Response(zipped(run, attempt, self.world.logs), media_type="application/zip")


class _Moved(Exception):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _refusal(error: Refused) -> Response:
    body: dict[str, Any] = {"message": str(error), "documentation_url": _DOCS, "status": str(error.status)}
    return Response(json.dumps(body), error.status, error.headers, "application/json; charset=utf-8")
