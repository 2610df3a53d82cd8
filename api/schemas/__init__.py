"""What the answers look like; the contract's names."""

from api.schemas.alerts import Alerts, TestFailed, TestResults
from api.schemas.base import ProblemDocument, Schema
from api.schemas.logs import JobLog, Logs, LogsGone
from api.schemas.metrics import Groups, MetricsAnswer, Series, figures
from api.schemas.monitored import Alive, Check, Health, Workflows
from api.schemas.repositories import Repositories, repositories
from api.schemas.runs import ExportedRun, RunDetail, RunPage
from api.schemas.webhooks import Received

__all__ = [
    "Alerts", "Alive", "Check", "ExportedRun", "Groups", "Health", "JobLog", "Logs", "LogsGone", "MetricsAnswer",
    "ProblemDocument", "Received", "Repositories", "RunDetail", "RunPage", "Schema", "Series", "TestFailed",
    "TestResults", "Workflows", "figures", "repositories",
]  # fmt: skip
