"""Rules and delivery over one database, with a clock that the test moves."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.records import LogRecord, RepositoryRecord, WorkflowRecord
from db.engine import write_scope
from db.enums import LogState, RuleKind
from db.logs.log_writes import store_log
from health.alerts.channels.base import Channel
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.delivery import Dispatcher
from health.alerts.rules.rules import Rule, parse_threshold, validate_rule
from health.alerts.storage.alert_queries import AlertRow, list_alerts
from health.alerts.storage.stored_rules import add_rule
from tests.builders import ACTOR, NOON, add_repository, attempt, job, run, store_jobs, store_runs
from tests.collector.conftest import Clock

MANY = 9


class Station:
    """Of the repository acme/web with the workflows W0 to W8."""

    def __init__(
        self, engine: Engine, clock: Clock, channels: Mapping[str, Channel], threshold: str = "3", *, new: bool = True
    ) -> None:
        self.engine, self.clock = engine, clock
        self.evaluator = Evaluator(engine, parse_threshold(threshold), list(channels), "http://dash:8501", clock)
        self.deliverer = Dispatcher(engine, channels, clock)
        self._number = 0
        if new:
            workflows = [WorkflowRecord(100 + k, f"W{k}", f"{k}.yml", "active") for k in range(MANY)]
            add_repository(engine, RepositoryRecord(1, "acme/web", "main", True, False, ""), *workflows)

    def rule(self, kind: RuleKind, open_at: float, **more: Any) -> int:
        with write_scope(self.engine) as session:
            return add_rule(session, validate_rule(Rule("mine", kind, open_at, **more)), self.clock(), actor=ACTOR)

    def ends(self, workflow: int, *conclusions: str, **more: Any) -> int:
        """Runs of a workflow that end now, a second apart; the id of the last."""
        minutes = (self.clock() - NOON).total_seconds() / 60 - 1
        for number, conclusion in enumerate(conclusions):
            self._number += 1
            record = run(
                self._number, minutes=minutes - (len(conclusions) - 1 - number) / 60, conclusion=conclusion,
                **{"workflow_id": 100 + workflow, "workflow_name": f"W{workflow}"} | more,
            )  # fmt: skip
            store_runs(self.engine, record)
        return self._number

    def breaks(self, workflow: int, error: str | None = None, **more: Any) -> None:
        run_id = self.ends(workflow, "failure", "failure", "failure", **more)
        if error:
            failed = job(run_id * 10, conclusion="failure", at=self.clock())
            store_jobs(self.engine, run_id, failed, attempts=(attempt(1, "failure"),))
            record = LogRecord(
                run_id * 10, run_id, LogState.STORED, "x", 1, False, 1, ("x",), error, f"f{run_id}"
            )  # fmt: skip
            with write_scope(self.engine) as session:
                store_log(session, 1, record, self.clock())

    def mends(self, workflow: int, **more: Any) -> None:
        self.ends(workflow, "success", **more)

    def run(self) -> int:
        """One look and one delivery; how many messages went out."""
        self.evaluator.run()
        return self.deliverer.run()

    def alerts(self) -> list[AlertRow]:
        with Session(self.engine) as session:
            return list_alerts(session)
