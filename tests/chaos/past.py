"""The demo's past as it happened, run by run; and, counted plainly, when so many runs failed one after the other.

Nothing here asks the product's rules: what they find is compared with this."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine

from collector.github.payloads import RunPayload, parse_payload
from collector.sync.convert import run_record
from db.definitions.records import RepositoryRecord, RunRecord, WorkflowRecord
from db.engine import write_scope
from db.repositories.repository_writes import get_repository, upsert_repository, upsert_workflows
from db.runs.run_writes import upsert_runs
from demo.github import payloads
from demo.world.model import Attempt, Run
from tests.simulator.world import EditableWorld

FAILED = ("failure", "timed_out", "startup_failure")


@dataclass(frozen=True)
class Happening:
    """An attempt of a run ended, or (`over` false) one that runs it again began."""

    moment: datetime
    run: Run
    attempt: Attempt
    over: bool

    @property
    def second(self) -> datetime:
        """GitHub shows no fractions."""
        return self.moment.replace(microsecond=0)

    @property
    def on_main(self) -> bool:
        return self.run.branch == "main" and not self.run.event.startswith("pull_request") and not self.run.fork

    def record(self) -> RunRecord:
        """As the collector reads it from GitHub's answer."""
        answer = payloads.run_json(self.run, self.moment, "https://api.github.com", self.attempt)
        payload = parse_payload(RunPayload, answer | {"created_at": payloads.timestamp(self.run.created)})
        assert isinstance(payload, RunPayload), payload
        return run_record(payload)


def happenings(runs: Iterable[Run], until: datetime, *, reruns: bool) -> list[Happening]:
    """In the order of their time, to the second. Without `reruns` only what each run's last attempt came to."""
    found = []
    for run in runs:
        begun = [each for each in run.attempts if each.started <= until]
        for attempt in begun if reruns else begun[-1:]:
            if reruns and attempt.number > 1:
                found.append(Happening(attempt.started, run, attempt, over=False))
            if attempt.ended and attempt.ended <= until:
                found.append(Happening(attempt.ended, run, attempt, over=True))
    return sorted(found, key=lambda each: (each.second, each.over, each.run.created, each.run.id))


class Told(NamedTuple):
    """What people are to hear: when the alert of a workflow opened and when it closed, null while it goes on."""

    opened: datetime
    workflow_id: int
    closed: datetime | None


def plainly(listed: Iterable[Happening], threshold: int) -> list[Told]:
    """Open when the last `threshold` completed runs of a workflow failed, by creation; resolved by the next success.
    In the order of their opening."""
    states: dict[int, dict[tuple[datetime, int], bool]] = defaultdict(dict)
    firing: dict[int, tuple[int, tuple[datetime, int]]] = {}
    found: list[Told] = []
    for each in (each for each in listed if each.on_main):
        flow, key = each.run.workflow.id, (each.run.created, each.run.id)
        states[flow].pop(key, None)
        if each.over and each.attempt.conclusion in (*FAILED, "success"):
            states[flow][key] = each.attempt.conclusion in FAILED
        failing = list(_failing(states[flow]))
        if flow not in firing and len(failing) >= threshold:
            firing[flow] = len(found), failing[-1]
            found.append(Told(each.second, flow, None))
        elif flow in firing and failing:
            firing[flow] = firing[flow][0], failing[-1]
        elif flow in firing:
            # A run that is run again has not passed yet.
            place, first_bad = firing[flow]
            passed = max((key for key, failed in states[flow].items() if not failed), default=None)
            if passed and passed >= first_bad:
                found[place] = found[place]._replace(closed=each.second)
                del firing[flow]
    return found


def _failing(states: dict[tuple[datetime, int], bool]) -> Iterator[tuple[datetime, int]]:
    """Runs since the last success, the newest first."""
    for key in sorted(states, reverse=True):
        if not states[key]:
            return
        yield key


def add_repositories(engine: Engine, world: EditableWorld) -> None:
    with write_scope(engine) as session:
        for repo in world.repositories.values():
            upsert_repository(session, RepositoryRecord(repo.id, repo.full_name, "main", True, False, ""))
            workflows = [WorkflowRecord(flow.id, flow.name, flow.path, "active") for flow in repo.workflows.values()]
            upsert_workflows(session, repo.id, workflows)


def store(engine: Engine, listed: Iterable[Happening]) -> None:
    """One after the other, as they came."""
    groups: dict[int, list[RunRecord]] = defaultdict(list)
    for each in listed:
        groups[each.run.repository.id].append(each.record())
    with write_scope(engine) as session:
        for repository_id, records in groups.items():
            upsert_runs(session, get_repository(session, repository_id), records)
