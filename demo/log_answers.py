"""Logs: GitHub only points to its storage, for a minute; the storage wants no token."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from demo.answers import find_job, find_run
from demo.archive import LAYOUTS, as_written, bomb, zipped
from demo.causes import annotation
from demo.gate import STORAGE, Refused, answer
from demo.logs import log_text
from demo.model import Attempt, Repository, Run
from demo.paging import origin
from demo.world import World


class LogAnswers:
    def __init__(self, world: World) -> None:
        self._world = world

    def of_job(self, request: Request, repo: Repository) -> Response:
        run, _, job = find_job(self._world, request, repo)
        self._world.traps.check_log(run.id, job.id)
        if self._world.log_expired(run):
            raise Refused(410, "Server Error")
        if job.status(self._world.clock()) != "completed" or not (job.ran or job.id in self._world.logs):
            raise Refused(404, "Not Found")
        return self._redirect(request, "job", job.id)

    def of_run(self, request: Request, repo: Repository) -> Response:
        run, attempt = find_run(self._world, request, repo)
        self._world.traps.check_log(run.id)
        now = self._world.clock()
        shown = attempt or run.attempt_at(now)
        if self._world.log_expired(run):
            raise Refused(410, "Server Error")
        if shown.status(now) != "completed" or not any(job.ran for job in shown.jobs):
            raise Refused(404, "Not Found")
        return self._redirect(request, f"run-{shown.number}", run.id)

    def annotations(self, request: Request, repo: Repository) -> Response:
        _, attempt, job = find_job(self._world, request, repo)
        if job.conclusion not in ("failure", "timed_out") or job.status(self._world.clock()) != "completed":
            return answer([])
        message = annotation(attempt.cause, job.conclusion, job.runner)
        note = {
            "path": ".github", "start_line": 1, "start_column": None, "end_line": 1, "end_column": None,
            "annotation_level": "failure", "title": "", "message": message, "raw_details": "",
        }  # fmt: skip
        return answer([note])

    def stored(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return PlainTextResponse("InvalidAuthenticationInfo", 400)
        now = self._world.clock()
        lasts = timedelta(seconds=self._world.traps.log_address_seconds)
        if now - datetime.fromtimestamp(request.path_params["made"], now.tzinfo) > lasts:
            return PlainTextResponse("AuthenticationFailed: the signature has expired", 403)
        kind, number = request.path_params["kind"], request.path_params["number"]
        return self._job_text(number) if kind == "job" else self._archive(number, kind.removeprefix("run-"))

    def _job_text(self, number: int) -> Response:
        found = self._world.job(number)
        text = self._world.logs.get(number) or (log_text(*found) if found else None)
        if text is None or found is None:
            return PlainTextResponse("BlobNotFound", 404)
        own = number in self._world.logs
        body = (
            text.encode("utf-8", "surrogateescape")
            if own
            else as_written(text, LAYOUTS[self._world.traps.layout_of(found[0].id)])
        )
        return PlainTextResponse(body)

    def _archive(self, number: int, attempt_number: str) -> Response:
        run = self._world.run(number)
        for attempt in run.attempts if run else ():
            if run and str(attempt.number) == attempt_number:
                return Response(self._packed(run, attempt), media_type="application/zip")
        return PlainTextResponse("BlobNotFound", 404)

    def _packed(self, run: Run, attempt: Attempt) -> bytes:
        traps = self._world.traps
        if run.id in traps.zip_bombs:
            return bomb(tuple(job.name for job in attempt.jobs if job.ran), traps.zip_bombs[run.id])
        return zipped(run, attempt, self._world.logs, traps.layout_of(run.id))

    def _redirect(self, request: Request, kind: str, number: int) -> Response:
        made = int(self._world.clock().timestamp())
        return Response(b"", 302, {"location": f"{origin(request)}{STORAGE}{made}/{kind}/{number}"})
