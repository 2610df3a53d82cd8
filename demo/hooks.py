"""The webhooks of an account: what GitHub would have sent, in time order, and what can happen to it on the way."""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from demo import github_json as shape
from demo.dice import dice
from demo.hook_sender import Delivery, Sent, headers, post, send, signature
from demo.model import Attempt, Job, Run
from demo.world import World

__all__ = ["Delivery", "Sent", "deliveries", "dropped", "duplicated", "forged", "headers", "nulled", "post", "send",
           "shuffled", "signature"]  # fmt: skip

_API = "https://api.github.com"
# A run that never began sends nothing.
_SILENT = ("startup_failure",)
_ORDER = ("requested", "waiting", "queued", "in_progress", "completed")
_NULLS = {
    "workflow_run": ("head_branch", "head_commit", "head_repository", "actor", "triggering_actor", "name"),
    "workflow_job": ("head_branch", "runner_id", "runner_name", "runner_group_name", "workflow_name"),
}
# What has happened: when, what, and to which job if not to the run.
Happening = tuple[datetime, str, Job | None]


def deliveries(
    world: World, since: datetime | None = None, until: datetime | None = None, *, base: str = _API
) -> list[Delivery]:
    """Everything after `since` (null: ever) up to `until` (null: now), oldest first. Payloads show the state of their
    own moment. A large account has ten times as many as runs, of 10 kB each: choose the time."""
    end = min(until or world.clock(), world.clock())
    found: list[tuple[datetime, int, int, Callable[[], Delivery]]] = []
    for run in list(world.runs.values()):
        last = run.attempts[-1].ended
        if since and last and last <= since:
            continue
        for attempt in run.attempts:
            for moment, action, job in _happenings(attempt):
                if moment <= end and (since is None or moment > since):
                    made = partial(_delivery, run, attempt, moment, action, job, base)
                    found.append((moment, _ORDER.index(action), job.id if job else run.id, made))
    found.sort(key=lambda each: each[:3])
    return [made() for *_, made in found]


def shuffled(listed: Sequence[Delivery], seed: str = "shuffle") -> list[Delivery]:
    found = list(listed)
    dice(seed).shuffle(found)
    return found


def duplicated(listed: Sequence[Delivery], share: float = 0.1, seed: str = "duplicate") -> list[Delivery]:
    """Some come once more, somewhere later, with the same id."""
    rng, found = dice(seed), list(listed)
    for delivery in [each for each in listed if rng.random() < share]:
        found.insert(rng.randint(found.index(delivery) + 1, len(found)), delivery)
    return found


def dropped(listed: Sequence[Delivery], share: float = 0.1, seed: str = "drop") -> list[Delivery]:
    rng = dice(seed)
    return [each for each in listed if rng.random() >= share]


def forged(listed: Sequence[Delivery], share: float = 0.1, seed: str = "forge") -> list[Delivery]:
    """Beside some stands another that tells a lie and whose signature is wrong."""
    rng, found = dice(seed), list[Delivery]()
    for delivery in listed:
        found.append(delivery)
        if rng.random() < share:
            body = json.loads(delivery.body)
            body[delivery.event] |= {"status": "completed", "conclusion": "failure", "head_branch": "forged"}
            number = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            found.append(replace(delivery, id=number, body=_written(body), forged=True))
    return found


def nulled(listed: Sequence[Delivery], share: float = 0.1, seed: str = "null") -> list[Delivery]:
    """Some have null where GitHub has been seen to send it."""
    rng, found = dice(seed), list[Delivery]()
    for delivery in listed:
        if rng.random() < share:
            body, names = json.loads(delivery.body), _NULLS[delivery.event]
            body[delivery.event] |= dict.fromkeys(rng.sample(names, rng.randint(1, len(names))))
            body |= dict.fromkeys(name for name in ("sender", "organization") if rng.random() < 0.5)
            found.append(replace(delivery, body=_written(body)))
        else:
            found.append(delivery)
    return found


def _happenings(attempt: Attempt) -> Iterator[Happening]:
    if attempt.conclusion in _SILENT:
        return
    yield attempt.started, "requested", None
    began = [job.started for job in attempt.jobs if job.ran and job.started >= attempt.started]
    if began and (attempt.ended is None or min(began) < attempt.ended):
        yield min(began), "in_progress", None
    if attempt.ended:
        yield attempt.ended, "completed", None
    for job in attempt.jobs:
        # Copies of an earlier attempt's jobs, and what a reporter posted, are not told.
        copied = job.completed is not None and job.completed < attempt.started - timedelta(seconds=2)
        if not copied and not job.phantom:
            yield from _of_job(job)


def _of_job(job: Job) -> Iterator[Happening]:
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
    body: dict[str, Any] = {"action": action, event: _subject(run, attempt, moment, action, job, base)}
    if job is None:
        body["workflow"] = shape.workflow(run.repository, run.workflow, base)
    body |= {
        "repository": shape.repository(run.repository, base), "sender": shape.account(sender, base),
        "organization": {"login": owner, "url": f"{base}/orgs/{owner}", "description": ""},
    }  # fmt: skip
    key = f"{run.id}:{attempt.number}:{job.id if job else ''}:{action}"
    number = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
    return Delivery(number, event, action, moment, run.id, job.id if job else None, _written(body))


def _subject(run: Run, attempt: Attempt, moment: datetime, action: str, job: Job | None, base: str) -> dict[str, Any]:
    if job is None:
        found = shape.run(run, moment, base, attempt)
        # Unlike the attempt endpoint, a webhook has the run's own creation.
        return found | {"created_at": shape.time(run.created)}
    shown = shape.job(run, attempt, job, moment, base)
    return shown | {"status": "waiting"} if action == "waiting" else shown


def _written(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
