"""Routes of the API: which handler responds to a path."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.github.extension import Extension
from demo.github.handlers import AccountHandlers, LogHandlers, RunHandlers
from demo.github.ownership import OwnershipHandlers
from demo.github.pagination import ValidationError
from demo.github.responses import STORAGE_PATH, Budget, GitHubError
from demo.world.model import Repository
from demo.world.world import World

Handler = Callable[[Request], Response]
RepositoryHandler = Callable[[Request, Repository], Response]


class Routes:
    """Tree of path segments: the time of a look-up does not grow with the number of routes."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, path: str, handler: Handler, method: str = "GET") -> None:
        """`{name}` stands for any segment, `{name:int}` for a number."""
        node = self._root
        for segment in path.strip("/").split("/"):
            node = node.child(segment)
        node.handlers[method] = handler

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, Any]] | None:
        """Return the handler and the path parameters."""
        node, parameters = self._root, dict[str, Any]()
        for segment in path.strip("/").split("/"):
            fixed = node.fixed.get(segment)
            if fixed:
                node = fixed
                continue
            is_number = segment.isascii() and segment.isdigit()
            if node.parameter is None or not segment or (node.number and not is_number):
                return None
            parameters[node.name] = int(segment) if node.number else segment
            node = node.parameter
        handler = node.handlers.get(method)
        return (handler, parameters) if handler else None


class _Node:
    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.name, self.number = "", False
        self.handlers: dict[str, Handler] = {}

    def child(self, segment: str) -> "_Node":
        if not segment.startswith("{"):
            return self.fixed.setdefault(segment, _Node())
        self.name, _, kind = segment[1:-1].partition(":")
        self.number = kind == "int"
        self.parameter = self.parameter or _Node()
        return self.parameter


def api_routes(world: World, budget: Budget, extension: Extension) -> Routes:
    """Return the routes of the API and of the log storage."""
    routes = Routes()
    account, runs, logs = AccountHandlers(world, budget), RunHandlers(world, extension), LogHandlers(world, extension)
    ownership = OwnershipHandlers(world)
    for path, handler in {
        "/rate_limit": account.rate_limit,
        "/user": account.user,
        "/orgs/{owner}": account.owner,
        "/users/{owner}": account.owner,
        "/orgs/{owner}/repos": account.repositories,
        "/users/{owner}/repos": account.repositories,
        "/orgs/{owner}/teams": ownership.teams,
        "/orgs/{owner}/teams/{team}/repos": ownership.team_repositories,
        "/orgs/{owner}/teams/{team}/members": ownership.team_members,
        STORAGE_PATH + "{created:int}/{kind}/{number:int}": logs.storage,
    }.items():
        routes.add(path, handler)
    run, attempt = "/actions/runs/{run:int}", "/actions/runs/{run:int}/attempts/{attempt:int}"
    handlers: dict[str, RepositoryHandler] = {
        "": account.repository,
        "/actions/workflows": account.workflows,
        "/actions/workflows/{workflow}": account.workflow,
        "/actions/workflows/{workflow}/runs": runs.runs,
        "/contents/.github/workflows/{file}": ownership.workflow_file,
        "/contents/.github/CODEOWNERS": ownership.codeowners,
        "/contents/CODEOWNERS": ownership.codeowners,
        "/contents/docs/CODEOWNERS": ownership.codeowners,
        "/git/blobs/{sha}": ownership.blob,
        "/actions/runs": runs.runs,
        run: runs.run,
        attempt: runs.run,
        f"{run}/jobs": runs.jobs,
        f"{attempt}/jobs": runs.jobs,
        f"{run}/logs": logs.run_archive,
        f"{attempt}/logs": logs.run_archive,
        "/actions/jobs/{job:int}": runs.job,
        "/actions/jobs/{job:int}/logs": logs.job_log,
        "/check-runs/{job:int}/annotations": logs.annotations,
    }
    for path, repository_handler in handlers.items():
        in_repository = _in_repository(world, extension, repository_handler)
        routes.add("/repos/{owner}/{name}" + path, in_repository)
        routes.add("/repositories/{id:int}" + path, in_repository)
    return routes


def _in_repository(world: World, extension: Extension, handler: RepositoryHandler) -> Handler:
    """Return a handler that looks up the repository of the path."""

    def respond(request: Request) -> Response:
        parameters = request.path_params
        if "id" in parameters:
            repository = world.by_id(parameters["id"])
        else:
            full_name = f"{parameters['owner']}/{parameters['name']}"
            redirect = extension.redirect(request, full_name)
            if redirect:
                return redirect
            repository = world.find(full_name)
        if repository is None:
            raise GitHubError(404, "Not Found")
        try:
            return extension.block(repository) or handler(request, repository)
        except ValidationError as error:
            raise GitHubError(422, str(error)) from None

    return respond
