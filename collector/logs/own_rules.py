"""Own rules for failure causes, applied to a fetched log before it is stored."""

import logging
import time
from dataclasses import replace

from sqlalchemy import Engine

from collector.logs.budget import CpuBudget, CpuBudgetExceeded
from collector.logs.fetch import FetchedLog, cause_fields
from db.engine import session_scope
from db.logs.log_queries import decompress_log
from db.logs.pending_logs import PendingLog
from health.insights.causes.job_causes import FailedJob
from health.insights.causes.rule_application import START_DELAY_SECONDS
from health.insights.causes.rule_causes import RULES_CPU_SECONDS, RULES_TOO_SLOW, with_rule
from health.insights.causes.rules import RuleSet
from health.insights.causes.stored_rules import rule_set

logger = logging.getLogger(__name__)
# The stored rules are read again after this time: before a change is applied to the stored logs.
_MAX_AGE_SECONDS = START_DELAY_SECONDS / 5


class OwnRules:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rules = RuleSet(())
        self._read_at = float("-inf")

    def apply(self, repo: str, log: PendingLog, fetched: FetchedLog) -> FetchedLog:
        """The log with the cause that an own rule names, if one matches. Raises SQLAlchemyError."""
        if not log.failed or not self._current().covering(repo, log.name, log.step_name):
            return fetched
        record = fetched.record
        job = FailedJob(repo, log.name, log.step_name, log.step)
        budget = CpuBudget(RULES_CPU_SECONDS)
        try:
            text = decompress_log(fetched.content) if fetched.content is not None else record.text or ""
            causes = with_rule(self._rules, job, text, record.causes, check=budget.check)
        except CpuBudgetExceeded:
            logger.warning(RULES_TOO_SLOW, repo, log.job_id, RULES_CPU_SECONDS)
            return fetched
        return replace(fetched, record=replace(record, **cause_fields(causes)))

    def _current(self) -> RuleSet:
        now = time.monotonic()
        if now - self._read_at >= _MAX_AGE_SECONDS:
            with session_scope(self._engine) as session:
                self._rules = rule_set(session)
            self._read_at = now
        return self._rules
