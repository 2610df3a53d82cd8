"""What GitHub says about repositories, workflows, runs and jobs."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from demo import github_json as shape
from demo import workflow_files
from demo.gate import Budget, Refused, answer
from demo.model import Attempt, Job, Repository, Run, Workflow
from demo.paging import base_url, choose, cut, is_filtered, page_of
from demo.world import World

BOT = "acme-bot"
NO_AGE = timedelta(0)


class AccountAnswers:
    def __init__(self, world: World, budget: Budget) -> None:
        self._world, self._budget = world, budget

    def rate_limit(self, request: Request) -> Response:
        core = self._budget.core()
        return answer({"resources": {"core": core}, "rate": core})

    def user(self, request: Request) -> Response:
        if "authorization" not in request.headers:
            raise Refused(401, "Requires authentication")
        if "ghs_" in request.headers["authorization"]:
            raise Refused(403, "Resource not accessible by integration")
        return answer(shape.account(BOT, base_url(request)))

    def owner(self, request: Request) -> Response:
        owner = request.path_params["owner"]
        self._owned(owner)
        return answer(shape.account(owner, base_url(request), organisation=True))

    def owned(self, request: Request) -> Response:
        listed = self._owned(request.path_params["owner"])
        chosen, links = cut(listed, len(listed), request, request.url.path)
        return answer([shape.repository(each, base_url(request)) for each in chosen], headers=links)

    def repository(self, request: Request, repo: Repository) -> Response:
        return answer(shape.repository(repo, base_url(request)))

    def workflows(self, request: Request, repo: Repository) -> Response:
        listed = list(repo.workflows.values())
        chosen, links = cut(listed, len(listed), request, f"/repositories/{repo.id}/actions/workflows")
        found = [shape.workflow(repo, each, base_url(request)) for each in chosen]
        return answer({"total_count": len(listed), "workflows": found}, headers=links)

    def workflow(self, request: Request, repo: Repository) -> Response:
        found = _workflow(repo, request.path_params["workflow"])
        return answer(shape.workflow(repo, found, base_url(request)))

    def file(self, request: Request, repo: Repository) -> Response:
        """Of the default branch; of files, only those of workflows are there."""
        wanted = request.path_params["file"]
        flow = next((each for each in repo.workflows.values() if each.file == wanted), None)
        if flow is None or flow.id not in self._world.files:
            raise Refused(404, "Not Found")
        return answer(workflow_files.shape(repo, flow, self._world.files[flow.id], base_url(request)))

    def _owned(self, owner: str) -> list[Repository]:
        prefix = owner.lower() + "/"
        listed = [each for name, each in sorted(self._world.repositories.items()) if name.startswith(prefix)]
        if not listed:
            raise Refused(404, "Not Found")
        return listed


class RunAnswers:
    def __init__(self, world: World) -> None:
        self._world = world

    def runs(self, request: Request, repo: Repository) -> Response:
        wanted = request.path_params.get("workflow")
        if wanted:
            self._world.traps.check_workflow(_workflow(repo, wanted).id)
        chaos = self._world.chaos
        if chaos and page_of(request)[0] > 1:
            chaos.shift(self._world, repo)
        stale = chaos.stale() if chaos and is_filtered(request) else None
        matching, total = choose(self._world, repo, request, wanted, stale)
        path = f"/repositories/{repo.id}/actions/" + (f"workflows/{wanted}/runs" if wanted else "runs")
        chosen, links = cut(matching, total, request, path)
        now, base = self._world.clock() - (stale.age if stale else NO_AGE), base_url(request)
        found = [shape.run(each, now, base) for each in chosen]
        return answer({"total_count": self._world.traps.total(total), "workflow_runs": found}, headers=links)

    def run(self, request: Request, repo: Repository) -> Response:
        run, attempt = find_run(self._world, request, repo)
        return answer(shape.run(run, self._world.clock(), base_url(request), attempt))

    def jobs(self, request: Request, repo: Repository) -> Response:
        run, attempt = find_run(self._world, request, repo)
        self._world.traps.check_jobs(run.id, page_of(request)[1])
        now, base = self._world.clock(), base_url(request)
        listed = self._listed(run, attempt, request.query_params.get("filter") == "all")
        path = f"/repositories/{repo.id}/actions/runs/{run.id}"
        path += f"/attempts/{attempt.number}/jobs" if attempt else "/jobs"
        chosen, links = cut(listed, len(listed), request, path)
        found = [shape.job(run, each, job, now, base) for each, job in chosen]
        if len(chosen) > 1 and chosen[0] == chosen[1]:
            found[1]["steps"] = found[1]["steps"][:1]
        return answer({"total_count": len(listed), "jobs": found}, headers=links)

    def _listed(self, run: Run, attempt: Attempt | None, every: bool) -> list[tuple[Attempt, Job]]:
        now, traps = self._world.clock(), self._world.traps
        shown = [attempt] if attempt else run.begun(now)[0 if every else -1 :]
        listed = [(each, job) for each in shown for job in run.jobs_of(each, now)]
        if traps.only_again_in_latest and not attempt and not every:
            listed = [(each, job) for each, job in listed if job.started >= each.started]
        return listed[:1] + listed if run.id in traps.doubled_jobs else listed

    def job(self, request: Request, repo: Repository) -> Response:
        run, attempt, job = find_job(self._world, request, repo)
        return answer(shape.job(run, attempt, job, self._world.clock(), base_url(request)))


def _workflow(repo: Repository, wanted: str) -> Workflow:
    """By its id or the name of its file."""
    for each in repo.workflows.values():
        if wanted in (str(each.id), each.file):
            return each
    raise Refused(404, "Not Found")


def find_run(world: World, request: Request, repo: Repository) -> tuple[Run, Attempt | None]:
    """With the attempt where the address names one."""
    run = world.run(request.path_params["run"])
    if run is None or run.repository is not repo:
        raise Refused(404, "Not Found")
    number = request.path_params.get("attempt")
    if number is None:
        return run, None
    for attempt in run.begun(world.clock()):
        if attempt.number == number:
            return run, attempt
    raise Refused(404, "Not Found")


def find_job(world: World, request: Request, repo: Repository) -> tuple[Run, Attempt, Job]:
    found = world.job(request.path_params["job"])
    if found is None or found[0].repository is not repo or found[2].created > world.clock():
        raise Refused(404, "Not Found")
    return found
