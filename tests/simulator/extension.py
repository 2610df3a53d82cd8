"""Tokens, edge cases and random faults of an EditableWorld, as an extension of the simulator."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.github.extension import Extension, SearchIndex
from demo.github.logs import Layout
from demo.github.pagination import base_url
from demo.github.responses import DOCUMENTATION_URL, GitHubError, json_response
from demo.world.model import Attempt, Job, Repository, Run
from tests.simulator.bulk import BulkRuns
from tests.simulator.edge_cases import LAYOUTS, zip_bomb
from tests.simulator.fault_injection import Chaos, Fault
from tests.simulator.github_app import GitHubApp
from tests.simulator.world import EditableWorld

# Paths that require the App's own token, which their handlers check.
_APP_PATHS = "/app/"
_MAX_JOBS_PER_PAGE = 50
_BLOCK_REASONS = {403: "tos", 451: "dmca"}
# A deleted run is one of so many newest ones: a run that a client may be paging through.
_DELETED_AMONG = 300


class SimulatorExtension(Extension):
    """`tokens`: the accepted ones; None: any or none, unless `app` is given, whose installation tokens are accepted as
    well."""

    def __init__(self, world: EditableWorld, tokens: set[str] | None, app: GitHubApp | None) -> None:
        self._world, self._tokens, self._app = world, tokens, app

    def authorize(self, request: Request) -> None:
        anonymous = self._tokens is None and self._app is None
        if anonymous or f"{request.scope['path']}/".startswith(_APP_PATHS):
            return
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise GitHubError(401, "Requires authentication")
        of_app = self._app is not None and self._app.accepts(token, self._world.clock())
        if kind.lower() not in ("bearer", "token") or not (token in (self._tokens or ()) or of_app):
            raise GitHubError(401, "Bad credentials")

    def redirect(self, request: Request, full_name: str) -> Response | None:
        repository = self._world.by_id(self._world.renamed.get(full_name.lower(), -1))
        if repository is None:
            return None
        path = request.scope["path"][len(f"/repos/{full_name}") :]
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{base_url(request)}/repositories/{repository.id}{path}{query}"
        body = {"message": "Moved Permanently", "url": url, "documentation_url": DOCUMENTATION_URL}
        return json_response(body, 301, {"location": url})

    def block(self, repository: Repository) -> Response | None:
        status = self._world.edge_cases.blocked.get(repository.id)
        if status is None:
            return None
        block = {
            "reason": _BLOCK_REASONS.get(status, "tos"), "created_at": "2026-01-28T14:53:01Z",
            "html_url": f"https://github.com/{repository.full_name}",
        }  # fmt: skip
        return json_response({"message": "Repository access blocked", "block": block}, status)

    def before_runs(self, repository: Repository, workflow_id: int | None, page: int) -> None:
        if workflow_id in self._world.edge_cases.broken_workflows:
            raise GitHubError(500, "Server Error")
        chaos = self._world.chaos
        if chaos and chaos.active and page > 1:
            _shift_pages(self._world, chaos, repository)

    def search_index(self) -> SearchIndex:
        return self._world.chaos.search_index() if self._world.chaos else SearchIndex()

    def total_count(self, count: int) -> int:
        limit = self._world.edge_cases.wrong_totals_above
        return count - max(count // 37, 1) if limit is not None and count > limit else count

    def before_jobs(self, run: Run, page_size: int) -> None:
        if run.id in self._world.edge_cases.big_runs and page_size > _MAX_JOBS_PER_PAGE:
            raise GitHubError(502, "Server Error")

    def list_jobs(self, run: Run, jobs: list[tuple[Attempt, Job]], *, latest: bool) -> list[tuple[Attempt, Job]]:
        if latest and self._world.edge_cases.latest_without_copies:
            jobs = [(attempt, job) for attempt, job in jobs if job.started >= attempt.started]
        return jobs[:1] + jobs if run.id in self._world.edge_cases.doubled_jobs else jobs

    def job_payloads(self, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Cut the steps of the second of two equal jobs."""
        if len(payloads) > 1 and payloads[0]["id"] == payloads[1]["id"]:
            payloads[1]["steps"] = payloads[1]["steps"][:1]
        return payloads

    def before_logs(self, *ids: int) -> None:
        if self._world.edge_cases.lost_logs & set(ids):
            raise GitHubError(404, "Not Found")

    def log_url_seconds(self) -> float:
        return self._world.edge_cases.log_url_seconds

    def log_layout(self, run_id: int) -> Layout:
        edge_cases = self._world.edge_cases
        return LAYOUTS[edge_cases.log_layouts.get(run_id, edge_cases.log_layout)]

    def archive(self, run: Run, attempt: Attempt) -> bytes | None:
        megabytes = self._world.edge_cases.zip_bombs.get(run.id)
        return zip_bomb(tuple(job.name for job in attempt.jobs if job.ran), megabytes) if megabytes else None


def _shift_pages(world: EditableWorld, chaos: Chaos, repository: Repository) -> None:
    """Add or delete a run while a client pages through the list."""
    rng = chaos.rng
    if repository.workflows and rng.random() < chaos.rates.new_run:
        created = world.clock().replace(microsecond=0)
        workflow = rng.choice(list(repository.workflows.values()))
        BulkRuns(world, rng).add_run(repository, workflow, created, completed=False)
        chaos.count(Fault.NEW_RUN)
    if rng.random() < chaos.rates.deleted_run:
        newest = [run.id for run, _ in zip(world.newest(repository), range(_DELETED_AMONG), strict=False)]
        if newest:
            world.delete_run(rng.choice(newest))
            chaos.count(Fault.DELETED_RUN)
