"""Handlers of the API: files of default branches, and the teams of an organisation."""

from starlette.requests import Request
from starlette.responses import Response

from demo.github import payloads
from demo.github.pagination import base_url, paginate
from demo.github.responses import GitHubError, json_response
from demo.world.model import Repository, Team
from demo.world.world import World


class OwnershipHandlers:
    """The simulator has workflow files and those that tests and the demo add to World.contents."""

    def __init__(self, world: World) -> None:
        self._world = world

    def workflow_file(self, request: Request, repo: Repository) -> Response:
        file = request.path_params["file"]
        workflow = next((workflow for workflow in repo.workflows.values() if workflow.file == file), None)
        if workflow is None or workflow.id not in self._world.files:
            raise GitHubError(404, "Not Found")
        text = self._world.files[workflow.id]
        return json_response(payloads.content_json(repo, workflow.path, text.encode(), base_url(request)))

    def codeowners(self, request: Request, repo: Repository) -> Response:
        path = request.scope["path"].partition("/contents/")[2]
        data = self._world.contents.get((repo.id, path))
        if data is None:
            raise GitHubError(404, "Not Found")
        return json_response(payloads.content_json(repo, path, data, base_url(request)))

    def blob(self, request: Request, repo: Repository) -> Response:
        for (repository_id, _), data in self._world.contents.items():
            if repository_id == repo.id and payloads.blob_sha(data) == request.path_params["sha"]:
                return json_response(payloads.blob_json(repo, data, base_url(request)))
        raise GitHubError(404, "Not Found")

    def teams(self, request: Request) -> Response:
        organisation, teams = self._teams(request)
        page, links = paginate(teams, len(teams), request, request.scope["path"])
        return json_response(
            [payloads.team_json(organisation, team, base_url(request)) for team in page], headers=links
        )

    def team_repositories(self, request: Request) -> Response:
        roles = self._team(request).repositories
        repositories = [(repo, role) for name, role in roles.items() if (repo := self._world.find(name))]
        page, links = paginate(repositories, len(repositories), request, request.scope["path"])
        items = [payloads.team_repository_json(repo, role, base_url(request)) for repo, role in page]
        return json_response(items, headers=links)

    def team_members(self, request: Request) -> Response:
        members = self._team(request).members
        page, links = paginate(members, len(members), request, request.scope["path"])
        return json_response([payloads.account_json(login, base_url(request)) for login in page], headers=links)

    def _teams(self, request: Request) -> tuple[str, list[Team]]:
        organisation = request.path_params["owner"].lower()
        if organisation not in self._world.teams:
            raise GitHubError(404, "Not Found")
        return organisation, self._world.teams[organisation]

    def _team(self, request: Request) -> Team:
        team = next((team for team in self._teams(request)[1] if team.slug == request.path_params["team"]), None)
        if team is None:
            raise GitHubError(404, "Not Found")
        return team
