"""Handlers of the API: repositories, workflows, runs, jobs and logs."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from demo.content.failure_causes import annotation
from demo.github import payloads
from demo.github.extension import Extension
from demo.github.logs import encode_log, log_archive, log_text
from demo.github.pagination import base_url, origin, page_of, paginate, select_runs
from demo.github.responses import STORAGE_PATH, Budget, GitHubError, json_response
from demo.world.model import Attempt, Job, Repository, Run, Workflow
from demo.world.world import World

BOT = "acme-bot"


class AccountHandlers:
    def __init__(self, world: World, budget: Budget) -> None:
        self._world, self._budget = world, budget

    def rate_limit(self, request: Request) -> Response:
        core = self._budget.core()
        return json_response({"resources": {"core": core}, "rate": core})

    def user(self, request: Request) -> Response:
        if "authorization" not in request.headers:
            raise GitHubError(401, "Requires authentication")
        # Tokens of an App's installation have this prefix; they belong to no user.
        if "ghs_" in request.headers["authorization"]:
            raise GitHubError(403, "Resource not accessible by integration")
        return json_response(payloads.account_json(BOT, base_url(request)))

    def owner(self, request: Request) -> Response:
        owner = request.path_params["owner"]
        self._owned(owner)
        return json_response(payloads.account_json(owner, base_url(request), organisation=True))

    def repositories(self, request: Request) -> Response:
        repositories = self._owned(request.path_params["owner"])
        page, links = paginate(repositories, len(repositories), request, request.scope["path"])
        return json_response([payloads.repository_json(repo, base_url(request)) for repo in page], headers=links)

    def repository(self, request: Request, repo: Repository) -> Response:
        return json_response(payloads.repository_json(repo, base_url(request)))

    def workflows(self, request: Request, repo: Repository) -> Response:
        workflows = list(repo.workflows.values())
        page, links = paginate(workflows, len(workflows), request, f"/repositories/{repo.id}/actions/workflows")
        items = [payloads.workflow_json(repo, workflow, base_url(request)) for workflow in page]
        return json_response({"total_count": len(workflows), "workflows": items}, headers=links)

    def workflow(self, request: Request, repo: Repository) -> Response:
        workflow = _find_workflow(repo, request.path_params["workflow"])
        return json_response(payloads.workflow_json(repo, workflow, base_url(request)))

    def _owned(self, owner: str) -> list[Repository]:
        prefix = owner.lower() + "/"
        repositories = [repo for name, repo in sorted(self._world.repositories.items()) if name.startswith(prefix)]
        if not repositories:
            raise GitHubError(404, "Not Found")
        return repositories


class RunHandlers:
    def __init__(self, world: World, extension: Extension) -> None:
        self._world, self._extension = world, extension

    def runs(self, request: Request, repo: Repository) -> Response:
        workflow = request.path_params.get("workflow")
        workflow_id = _find_workflow(repo, workflow).id if workflow else None
        self._extension.before_runs(repo, workflow_id, page_of(request)[0])
        runs, total, now = select_runs(self._world, repo, request, workflow, self._extension.search_index)
        path = f"/repositories/{repo.id}/actions/" + (f"workflows/{workflow}/runs" if workflow else "runs")
        page, links = paginate(runs, total, request, path)
        items = [payloads.run_json(run, now, base_url(request)) for run in page]
        body = {"total_count": self._extension.total_count(total), "workflow_runs": items}
        return json_response(body, headers=links)

    def run(self, request: Request, repo: Repository) -> Response:
        run, attempt = _find_run(self._world, request, repo)
        return json_response(payloads.run_json(run, self._world.clock(), base_url(request), attempt))

    def jobs(self, request: Request, repo: Repository) -> Response:
        run, attempt = _find_run(self._world, request, repo)
        self._extension.before_jobs(run, page_of(request)[1])
        now, base = self._world.clock(), base_url(request)
        jobs = self._jobs(run, attempt, request.query_params.get("filter") == "all")
        path = f"/repositories/{repo.id}/actions/runs/{run.id}"
        path += f"/attempts/{attempt.number}/jobs" if attempt else "/jobs"
        page, links = paginate(jobs, len(jobs), request, path)
        items = [payloads.job_json(run, job_attempt, job, now, base) for job_attempt, job in page]
        return json_response({"total_count": len(jobs), "jobs": self._extension.job_payloads(items)}, headers=links)

    def job(self, request: Request, repo: Repository) -> Response:
        run, attempt, job = _find_job(self._world, request, repo)
        return json_response(payloads.job_json(run, attempt, job, self._world.clock(), base_url(request)))

    def _jobs(self, run: Run, attempt: Attempt | None, every_attempt: bool) -> list[tuple[Attempt, Job]]:
        now = self._world.clock()
        attempts = [attempt] if attempt else run.attempts_at(now)[0 if every_attempt else -1 :]
        jobs = [(attempt, job) for attempt in attempts for job in run.jobs_of(attempt, now)]
        return self._extension.list_jobs(run, jobs, latest=attempt is None and not every_attempt)


class LogHandlers:
    """The API redirects to a log storage with a URL that is valid for a minute. The storage accepts no token."""

    def __init__(self, world: World, extension: Extension) -> None:
        self._world, self._extension = world, extension

    def job_log(self, request: Request, repo: Repository) -> Response:
        run, _, job = _find_job(self._world, request, repo)
        self._extension.before_logs(run.id, job.id)
        if self._world.log_expired(run):
            raise GitHubError(410, "Server Error")
        if job.status(self._world.clock()) != "completed" or not (job.ran or job.id in self._world.logs):
            raise GitHubError(404, "Not Found")
        return self._redirect(request, "job", job.id)

    def run_archive(self, request: Request, repo: Repository) -> Response:
        run, attempt = _find_run(self._world, request, repo)
        self._extension.before_logs(run.id)
        now = self._world.clock()
        attempt = attempt or run.attempt_at(now)
        if self._world.log_expired(run):
            raise GitHubError(410, "Server Error")
        if attempt.status(now) != "completed" or not any(job.ran for job in attempt.jobs):
            raise GitHubError(404, "Not Found")
        return self._redirect(request, f"run-{attempt.number}", run.id)

    def annotations(self, request: Request, repo: Repository) -> Response:
        _, attempt, job = _find_job(self._world, request, repo)
        if job.conclusion not in ("failure", "timed_out") or job.status(self._world.clock()) != "completed":
            return json_response([])
        message = annotation(attempt.cause, job.conclusion, job.runner)
        return json_response([payloads.annotation_json(message)])

    def storage(self, request: Request) -> Response:
        """Respond with a job's log or a run's archive, as Azure Blob Storage does."""
        if "authorization" in request.headers:
            return PlainTextResponse("InvalidAuthenticationInfo", 400)
        now = self._world.clock()
        lifetime = timedelta(seconds=self._extension.log_url_seconds())
        if now - datetime.fromtimestamp(request.path_params["created"], now.tzinfo) > lifetime:
            return PlainTextResponse("AuthenticationFailed: the signature has expired", 403)
        kind, number = request.path_params["kind"], request.path_params["number"]
        return self._stored_log(number) if kind == "job" else self._stored_archive(number, kind.removeprefix("run-"))

    def _stored_log(self, job_id: int) -> Response:
        entry = self._world.job(job_id)
        if entry is None:
            return PlainTextResponse("BlobNotFound", 404)
        own_text = self._world.logs.get(job_id)
        if own_text:
            return PlainTextResponse(own_text.encode("utf-8", "surrogateescape"))
        run, attempt, job = entry
        return PlainTextResponse(encode_log(log_text(run, attempt, job), self._extension.log_layout(run.id)))

    def _stored_archive(self, run_id: int, attempt_number: str) -> Response:
        run = self._world.run(run_id)
        for attempt in run.attempts if run else ():
            if run and str(attempt.number) == attempt_number:
                archive = self._extension.archive(run, attempt)
                if archive is None:
                    archive = log_archive(run, attempt, self._world.logs, self._extension.log_layout(run.id))
                return Response(archive, media_type="application/zip")
        return PlainTextResponse("BlobNotFound", 404)

    def _redirect(self, request: Request, kind: str, number: int) -> Response:
        created = int(self._world.clock().timestamp())
        return Response(b"", 302, {"location": f"{origin(request)}{STORAGE_PATH}{created}/{kind}/{number}"})


def _find_workflow(repo: Repository, key: str) -> Workflow:
    """Return the workflow with this id or file name. Raises GitHubError 404, as the other look-ups do."""
    for workflow in repo.workflows.values():
        if key in (str(workflow.id), workflow.file):
            return workflow
    raise GitHubError(404, "Not Found")


def _find_run(world: World, request: Request, repo: Repository) -> tuple[Run, Attempt | None]:
    """Return the run of the path, and the attempt if the path names one."""
    run = world.run(request.path_params["run"])
    if run is None or run.repository is not repo:
        raise GitHubError(404, "Not Found")
    number = request.path_params.get("attempt")
    if number is None:
        return run, None
    for attempt in run.attempts_at(world.clock()):
        if attempt.number == number:
            return run, attempt
    raise GitHubError(404, "Not Found")


def _find_job(world: World, request: Request, repo: Repository) -> tuple[Run, Attempt, Job]:
    entry = world.job(request.path_params["job"])
    if entry is None or entry[0].repository is not repo or entry[2].created > world.clock():
        raise GitHubError(404, "Not Found")
    return entry
