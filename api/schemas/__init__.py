"""Request and response models. The names of fields are part of the public API."""

from api.schemas.alerts import (
    Acknowledgement,
    Alert,
    AlertDocument,
    Alerts,
    Assignment,
    BulkAction,
    BulkResult,
    BulkResults,
    TestFailed,
    TestResult,
    TestResults,
)
from api.schemas.audit import AuditEvent, AuditEvents
from api.schemas.base import ProblemDocument, Schema
from api.schemas.causes import (
    CausePreview,
    CauseRule,
    CauseRuleBody,
    CauseRules,
    KnownCause,
    NewCauseRule,
    StoredTriage,
    TriageBody,
)
from api.schemas.digest import Digest, DigestSent
from api.schemas.health import Check, Health, LivenessResponse, Received, Workflows
from api.schemas.insights import Attention, AttentionList, Cause, FailedRun, Failure, Failures, Flaky, Regressions
from api.schemas.log_search import SearchMatch, SearchPage, SearchSummary
from api.schemas.metrics import ComparedMetrics, Groups, MetricsAnswer, Series
from api.schemas.repositories import Repositories
from api.schemas.rules import Replay, Rule, RuleBody, Rules, Silence, SilenceBody, Silences
from api.schemas.runs import ExportedRun, JobLog, JobPage, Logs, LogsGone, RunDetail, RunPage
from api.schemas.teams import NewTeam, TeamDocument, TeamFields, Teams
from api.schemas.views import View, Views

__all__ = [
    "Acknowledgement",
    "Alert",
    "AlertDocument",
    "Alerts",
    "Assignment",
    "Attention",
    "AttentionList",
    "AuditEvent",
    "AuditEvents",
    "BulkAction",
    "BulkResult",
    "BulkResults",
    "Cause",
    "CausePreview",
    "CauseRule",
    "CauseRuleBody",
    "CauseRules",
    "Check",
    "ComparedMetrics",
    "Digest",
    "DigestSent",
    "ExportedRun",
    "FailedRun",
    "Failure",
    "Failures",
    "Flaky",
    "Groups",
    "Health",
    "JobLog",
    "JobPage",
    "KnownCause",
    "LivenessResponse",
    "Logs",
    "LogsGone",
    "MetricsAnswer",
    "NewCauseRule",
    "NewTeam",
    "ProblemDocument",
    "Received",
    "Regressions",
    "Replay",
    "Repositories",
    "Rule",
    "RuleBody",
    "Rules",
    "RunDetail",
    "RunPage",
    "Schema",
    "SearchMatch",
    "SearchPage",
    "SearchSummary",
    "Series",
    "Silence",
    "SilenceBody",
    "Silences",
    "StoredTriage",
    "TeamDocument",
    "TeamFields",
    "Teams",
    "TestFailed",
    "TestResult",
    "TestResults",
    "TriageBody",
    "View",
    "Views",
    "Workflows",
]
