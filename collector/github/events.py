"""Webhook deliveries: what they tell of a run or a job, and no more. Pure."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from collector.github.payloads import Id, JobPayload, Payload, RunPayload, Text, WorkflowPayload, read
from db.telemetry.foreign import clean

# A form has one field; more than a few are not GitHub's.
_FIELDS = 10


class Unreadable(Exception):
    """The delivery cannot be used; the message is one line that says why."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class NotOfInterest(Exception):
    """The delivery is as it should be and tells nothing; the message is one line that says why."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class EventRepository(Payload):
    id: Id
    full_name: Text = ""


@dataclass(frozen=True)
class RunEvent:
    """`workflow` is null where the event does not tell of it."""

    repository: EventRepository
    run: RunPayload
    workflow: WorkflowPayload | None


@dataclass(frozen=True)
class JobEvent:
    repository: EventRepository
    job: JobPayload


def read_event(event: str, body: bytes) -> RunEvent | JobEvent:
    """Raises Unreadable or NotOfInterest."""
    if event not in ("workflow_run", "workflow_job"):
        raise NotOfInterest(f"the event {event} is not used")
    data = _decode(body)
    subject = data.get(event)
    if subject is None:
        raise NotOfInterest(f"{event} is null")
    repository = read(EventRepository, data.get("repository"))
    if isinstance(repository, str):
        raise Unreadable(f"repository: {repository}")
    if event == "workflow_job":
        job = read(JobPayload, subject)
        if isinstance(job, str):
            raise Unreadable(job)
        return JobEvent(repository, job)
    return _run_event(repository, subject, data.get("workflow"))


def _run_event(repository: EventRepository, subject: Any, told: Any) -> RunEvent:
    workflow = read(WorkflowPayload, told)
    found = None if isinstance(workflow, str) else workflow
    if isinstance(subject, dict):
        subject = {**subject, "repository": subject.get("repository") or {"id": repository.id}}
        if found:
            # The run's own name is often empty here.
            for name, value in (("workflow_id", found.id), ("name", found.name), ("path", found.path)):
                subject[name] = subject.get(name) or value
    run = read(RunPayload, subject)
    if isinstance(run, str):
        raise Unreadable(run)
    return RunEvent(repository, run, found if found and found.id == run.workflow_id else None)


def _decode(body: bytes) -> dict[str, Any]:
    """JSON, or a form with the JSON in its field payload."""
    try:
        if not body.lstrip().startswith(b"{"):
            fields = parse_qs(body.decode("ascii"), max_num_fields=_FIELDS)
            body = fields.get("payload", [body.decode("ascii")])[0].encode("utf-8", "replace")
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the body is no JSON: {str(error).splitlines()[0][:200]}") from None
    if not isinstance(data, dict):
        raise Unreadable("the body is JSON, but no object")
    return data
