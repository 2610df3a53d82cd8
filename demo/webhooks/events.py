"""Webhook events of a World in the order in which GitHub sends them."""

import asyncio
import json
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from demo.github import payloads
from demo.webhooks.delivery import Delivery, post
from demo.world.model import Attempt, Job, Run
from demo.world.world import World

_API = "https://api.github.com"
# GitHub sends nothing for a run that failed before it started.
_WITHOUT_EVENTS = ("startup_failure",)
# Order of events with the same time.
_ACTIONS = ("requested", "waiting", "queued", "in_progress", "completed")
_SEND_INTERVAL_SECONDS = 1.0
# Deliveries a second: more than the account produces, few enough for a small receiver.
_SEND_RATE = 100
# Time, action, and the job unless the event is the run's.
Event = tuple[datetime, str, Job | None]


def deliveries(
    world: World, since: datetime | None = None, until: datetime | None = None, *, base: str = _API
) -> list[Delivery]:
    """Return the events in (since, until], oldest first; None: since ever, until now.

    A payload shows the state at the time of its event. There are about ten deliveries of 10 kB per run."""
    end = min(until or world.clock(), world.clock())
    events: list[tuple[datetime, int, int, Callable[[], Delivery]]] = []
    for run in list(world.runs.values()):
        last_end = run.attempts[-1].ended
        if since and last_end and last_end <= since:
            continue
        for attempt in run.attempts:
            for moment, action, job in _events(attempt):
                if moment <= end and (since is None or moment > since):
                    build = partial(_delivery, run, attempt, moment, action, job, base)
                    events.append((moment, _ACTIONS.index(action), job.id if job else run.id, build))
    events.sort(key=lambda event: event[:3])
    return [build() for *_, build in events]


async def send_continuously(world: World, url: str, secret: str, interval: float = _SEND_INTERVAL_SECONDS) -> None:
    """Send the events from now on, every `interval` seconds, until cancelled.

    Writes the first error of a series of failing deliveries to stderr, not every one."""
    since, last_error = world.clock(), ""
    while True:
        await asyncio.sleep(interval)
        world.advance()
        until = world.clock()
        results = await post(deliveries(world, since, until), url, secret, _SEND_RATE)
        since = until
        error = next((f"{sent.status or sent.error}" for sent in results if not 200 <= sent.status < 300), "")
        if error and not last_error:
            print(f"--webhooks {url}: {error}; retrying.", file=sys.stderr, flush=True)
        last_error = error if results else last_error


def encode_body(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _events(attempt: Attempt) -> Iterator[Event]:
    if attempt.conclusion in _WITHOUT_EVENTS:
        return
    yield attempt.started, "requested", None
    starts = [job.started for job in attempt.jobs if job.ran and job.started >= attempt.started]
    if starts and (attempt.ended is None or min(starts) < attempt.ended):
        yield min(starts), "in_progress", None
    if attempt.ended:
        yield attempt.ended, "completed", None
    for job in attempt.jobs:
        # GitHub sends nothing for copies of an earlier attempt's jobs and for check runs of a test reporter.
        copied = job.completed is not None and job.completed < attempt.started - timedelta(seconds=2)
        if not copied and not job.phantom:
            yield from _job_events(job)


def _job_events(job: Job) -> Iterator[Event]:
    if job.conclusion != "skipped":
        if job.kind == "deploy":
            yield job.created, "waiting", job
        yield job.created, "queued", job
        if job.ran:
            yield max(job.started, job.created), "in_progress", job
    if job.completed:
        yield job.completed, "completed", job


def _delivery(run: Run, attempt: Attempt, moment: datetime, action: str, job: Job | None, base: str) -> Delivery:
    event = "workflow_job" if job else "workflow_run"
    owner = run.repository.full_name.partition("/")[0]
    sender = run.author or "ghost"
    body: dict[str, Any] = {"action": action, event: _payload(run, attempt, moment, action, job, base)}
    if job is None:
        body["workflow"] = payloads.workflow_json(run.repository, run.workflow, base)
    body |= {
        "repository": payloads.repository_json(run.repository, base), "sender": payloads.account_json(sender, base),
        "organization": {"login": owner, "url": f"{base}/orgs/{owner}", "description": ""},
    }  # fmt: skip
    key = f"{run.id}:{attempt.number}:{job.id if job else ''}:{action}"
    number = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
    return Delivery(number, event, action, moment, run.id, job.id if job else None, encode_body(body))


def _payload(run: Run, attempt: Attempt, moment: datetime, action: str, job: Job | None, base: str) -> dict[str, Any]:
    if job is None:
        # Unlike the attempt endpoint, a webhook has the creation time of the run.
        return payloads.run_json(run, moment, base, attempt) | {"created_at": payloads.timestamp(run.created)}
    payload = payloads.job_json(run, attempt, job, moment, base)
    return payload | {"status": "waiting"} if action == "waiting" else payload
