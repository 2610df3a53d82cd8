"""What the answers look like; the contract's names."""

from api.schemas.alerts import Acknowledgement, Alert, Alerts, TestFailed, TestResults, alert_fields
from api.schemas.base import ProblemDocument, Schema
from api.schemas.health import Check, Health, LivenessResponse, Received, Workflows
from api.schemas.insights import AttentionList, Failure, Failures, Flaky, Regressions
from api.schemas.metrics import ComparedMetrics, Groups, MetricsAnswer, Series, comparison_fields, figure_fields
from api.schemas.repositories import Repositories, repository_fields
from api.schemas.rules import (
    Replay,
    Rule,
    RuleBody,
    Rules,
    Silence,
    SilenceBody,
    Silences,
    replay_fields,
    rule_fields,
    silence_fields,
)
from api.schemas.runs import ExportedRun, JobLog, JobPage, Logs, LogsGone, RunDetail, RunPage

__all__ = [
    "Acknowledgement", "Alert", "Alerts", "LivenessResponse", "Check", "ComparedMetrics", "ExportedRun", "Failure", "Failures",
    "Flaky", "Groups", "Health", "JobLog", "JobPage", "Logs", "LogsGone", "MetricsAnswer", "AttentionList", "ProblemDocument",
    "Received", "Regressions", "Replay", "Repositories", "Rule", "RuleBody", "Rules", "RunDetail", "RunPage",
    "Schema", "Series", "Silence", "SilenceBody", "Silences", "TestFailed", "TestResults", "Workflows", "alert_fields",
    "comparison_fields", "figure_fields", "replay_fields", "repository_fields", "rule_fields", "silence_fields",
]  # fmt: skip
