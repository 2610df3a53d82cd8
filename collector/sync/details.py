"""Fetching the jobs and earlier attempts of one run."""

from collections.abc import Callable
from datetime import datetime

from collector.github.client import Client
from collector.github.errors import BadAnswer, NotFound
from collector.github.pagination import pages
from collector.github.payloads import JobPayload, RunPayload, read
from collector.sync.convert import attempt_record, job_record
from db.queries.sync import WantedDetails
from db.store.records import AttemptRecord, DetailsRecord, JobRecord
from db.vocabulary import Status


def fetch_details(client: Client, repo: str, wanted: WantedDetails, clock: Callable[[], datetime]) -> DetailsRecord:
    """All attempts' jobs come in one list (filter=all): `latest` may leave out jobs that were not run again."""
    run = f"/repos/{repo}/actions/runs/{wanted.run_id}"
    fetched_at = clock()
    jobs: dict[int, JobRecord] = {}
    count: int | None = None
    repeated = 0
    for page in pages(client, f"{run}/jobs", "jobs", JobPayload, params={"filter": "all"}):
        if page.unreadable:
            raise BadAnswer(f"a job cannot be read: {page.unreadable[0]}")
        if page.total_count is not None:
            count = max(count or 0, page.total_count)
        # A job that one page lists twice is counted twice; between pages jobs repeat because the pages shift.
        repeated += len(page.items) - len({payload.id for payload in page.items})
        for payload in page.items:
            job = job_record(payload)
            known = jobs.get(job.id)
            # GitHub can list one job twice, once with its steps cut short.
            if known is None or _fullness(job) >= _fullness(known):
                jobs[job.id] = job
    attempts = [_attempt(client, f"{run}/attempts/{number}") for number in wanted.missing_attempts]
    return DetailsRecord(
        wanted.run_id,
        tuple(attempt for attempt in attempts if attempt),
        tuple(jobs.values()),
        fetched_at,
        attempt=wanted.attempt,
        over=wanted.over,
        job_count=None if count is None else count - repeated,
    )


def _fullness(job: JobRecord) -> tuple[bool, int]:
    return job.status == Status.COMPLETED, len(job.steps)


def _attempt(client: Client, path: str) -> AttemptRecord | None:
    try:
        payload = read(RunPayload, client.get(path).data)
    except NotFound:
        return None  # GitHub forgot it; its jobs still tell what is known
    if isinstance(payload, str):
        raise BadAnswer(f"an attempt cannot be read: {payload}")
    return attempt_record(payload)
