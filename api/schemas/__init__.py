"""What the answers look like; the contract's names."""

from api.schemas.alerts import Acknowledgement, Alert, Alerts, TestFailed, TestResults, alert
from api.schemas.base import ProblemDocument, Schema
from api.schemas.comparison import ComparedMetrics, compared
from api.schemas.insights import Failure, Failures, Flaky, Needs, Regressions
from api.schemas.logs import JobLog, Logs, LogsGone
from api.schemas.metrics import Groups, MetricsAnswer, Series, figures
from api.schemas.monitored import Alive, Check, Health, Workflows
from api.schemas.repositories import Repositories, repositories
from api.schemas.rules import Replay, Rule, RuleBody, Rules, replay, rule
from api.schemas.runs import ExportedRun, JobPage, RunDetail, RunPage
from api.schemas.silences import Silence, SilenceBody, Silences, silence
from api.schemas.webhooks import Received

__all__ = [
    "Acknowledgement", "Alert", "Alerts", "Alive", "Check", "ComparedMetrics", "ExportedRun", "Failure", "Failures",
    "Flaky", "Groups", "Health", "JobLog", "JobPage", "Logs", "LogsGone", "MetricsAnswer", "Needs", "ProblemDocument",
    "Received", "Regressions", "Replay", "Repositories", "Rule", "RuleBody", "Rules", "RunDetail", "RunPage",
    "Schema", "Series", "Silence", "SilenceBody", "Silences", "TestFailed", "TestResults", "Workflows", "alert",
    "compared", "figures", "replay", "repositories", "rule", "silence",
]  # fmt: skip
