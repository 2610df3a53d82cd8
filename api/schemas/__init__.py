"""What the answers look like; the contract's names."""

from api.schemas.alerts import Acknowledgement, Alert, Alerts, TestFailed, TestResults, alert
from api.schemas.base import ProblemDocument, Schema
from api.schemas.health import Alive, Check, Health, Received, Workflows
from api.schemas.insights import Failure, Failures, Flaky, Needs, Regressions
from api.schemas.metrics import ComparedMetrics, Groups, MetricsAnswer, Series, compared, figures
from api.schemas.repositories import Repositories, repositories
from api.schemas.rules import Replay, Rule, RuleBody, Rules, Silence, SilenceBody, Silences, replay, rule, silence
from api.schemas.runs import ExportedRun, JobLog, JobPage, Logs, LogsGone, RunDetail, RunPage

__all__ = [
    "Acknowledgement", "Alert", "Alerts", "Alive", "Check", "ComparedMetrics", "ExportedRun", "Failure", "Failures",
    "Flaky", "Groups", "Health", "JobLog", "JobPage", "Logs", "LogsGone", "MetricsAnswer", "Needs", "ProblemDocument",
    "Received", "Regressions", "Replay", "Repositories", "Rule", "RuleBody", "Rules", "RunDetail", "RunPage",
    "Schema", "Series", "Silence", "SilenceBody", "Silences", "TestFailed", "TestResults", "Workflows", "alert",
    "compared", "figures", "replay", "repositories", "rule", "silence",
]  # fmt: skip
