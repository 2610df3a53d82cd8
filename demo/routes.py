"""Which answer an address gets."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.answers import AccountAnswers, RunAnswers
from demo.app_access import AppAccess, AppAnswers
from demo.gate import STORAGE, Budget, Moved, Refused
from demo.log_answers import LogAnswers
from demo.model import Repository
from demo.paging import BadQuestion, base_url
from demo.world import World

Answer = Callable[[Request], Response]
RepositoryAnswer = Callable[[Request, Repository], Response]


class Routes:
    """A tree of the parts of a path: the time to find an answer does not grow with their number."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, path: str, respond: Answer, method: str = "GET") -> None:
        """`{name}` stands for any part, `{name:int}` for a number."""
        node = self._root
        for part in path.strip("/").split("/"):
            node = node.child(part)
        node.answers[method] = respond

    def find(self, method: str, path: str) -> tuple[Answer, dict[str, Any]] | None:
        """The answer, and what stands in the place of the names."""
        node, named = self._root, dict[str, Any]()
        for part in path.strip("/").split("/"):
            fixed = node.fixed.get(part)
            if fixed:
                node = fixed
                continue
            if node.any is None or not part or (node.number and not (part.isascii() and part.isdigit())):
                return None
            named[node.name] = int(part) if node.number else part
            node = node.any
        respond = node.answers.get(method)
        return (respond, named) if respond else None


class _Node:
    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.name, self.number = "", False
        self.answers: dict[str, Answer] = {}

    def child(self, part: str) -> "_Node":
        if not part.startswith("{"):
            return self.fixed.setdefault(part, _Node())
        self.name, _, kind = part[1:-1].partition(":")
        self.number = kind == "int"
        self.any = self.any or _Node()
        return self.any


def account_routes(world: World, budget: Budget, access: AppAccess | None = None) -> Routes:
    found, account = Routes(), AccountAnswers(world, budget)
    for path, respond in {
        "/rate_limit": account.rate_limit,
        "/user": account.user,
        "/orgs/{owner}": account.owner,
        "/users/{owner}": account.owner,
        "/orgs/{owner}/repos": account.owned,
        "/users/{owner}/repos": account.owned,
        STORAGE + "{made:int}/{kind}/{number:int}": LogAnswers(world).stored,
    }.items():
        found.add(path, respond)
    if access:
        _add_app(found, AppAnswers(world, access))
    for inside, answer in _inside(world, account).items():
        within = _within(world, answer)
        found.add("/repos/{owner}/{name}" + inside, within)
        found.add("/repositories/{id:int}" + inside, within)
    return found


def _add_app(found: Routes, app: AppAnswers) -> None:
    found.add("/app", app.app)
    found.add("/app/installations", app.installations)
    found.add("/app/installations/{installation:int}", app.installation)
    found.add("/app/installations/{installation:int}/access_tokens", app.token, "POST")
    found.add("/installation/repositories", app.repositories)


def _inside(world: World, account: AccountAnswers) -> dict[str, RepositoryAnswer]:
    runs, logs = RunAnswers(world), LogAnswers(world)
    run, attempt = "/actions/runs/{run:int}", "/actions/runs/{run:int}/attempts/{attempt:int}"
    return {
        "": account.repository,
        "/actions/workflows": account.workflows,
        "/actions/workflows/{workflow}": account.workflow,
        "/actions/workflows/{workflow}/runs": runs.runs,
        "/contents/.github/workflows/{file}": account.file,
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


def _within(world: World, respond: RepositoryAnswer) -> Answer:
    def answer(request: Request) -> Response:
        try:
            found = _repository(world, request)
            return world.traps.blocking(found) or respond(request, found)
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
            rest = request.scope["path"][len(f"/repos/{name}") :]
            query = f"?{request.url.query}" if request.url.query else ""
            raise Moved(moved, f"{base_url(request)}/repositories/{moved.id}{rest}{query}")
        found = world.find(name)
    if found is None:
        raise Refused(404, "Not Found")
    return found
