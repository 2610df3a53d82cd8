"""Tables of the database.

GitHub's numeric ids are the keys, because names of repositories, branches and users change. Every table that grows has
repository_id first in its primary key, so that it can be partitioned or sharded by repository without changes to
queries.
"""

from db.models.alerts import Alert, AlertRule, AlertSilence, ChannelState, Notification
from db.models.base import Base
from db.models.causes import CauseAlias, CauseTriage, JobCause, LogSketch, StoredCauseRule
from db.models.collection import (
    Backfill,
    Claim,
    Heartbeat,
    InboxItem,
    InstallationKey,
    RunGap,
    SavedView,
    SessionGeneration,
    SyncState,
    Target,
)
from db.models.log_search import LogSearchEntry, LogSearchPosting, LogSearchSegment
from db.models.rollups import FailureEpisode, Rollup, RollupInvalidation, RollupState, UsageRollup
from db.models.runs import Attempt, Job, JobLog, Repository, Run, Workflow, WorkflowSchedule
from db.models.teams import (
    ApiKey,
    AuditEvent,
    CodeownersFile,
    Digest,
    NotificationChannel,
    StoredSetting,
    StoredTeam,
    TeamRepository,
)

__all__ = [
    "Alert",
    "AlertRule",
    "AlertSilence",
    "ApiKey",
    "Attempt",
    "AuditEvent",
    "Backfill",
    "Base",
    "CauseAlias",
    "CauseTriage",
    "ChannelState",
    "Claim",
    "CodeownersFile",
    "Digest",
    "FailureEpisode",
    "Heartbeat",
    "InboxItem",
    "InstallationKey",
    "Job",
    "JobCause",
    "JobLog",
    "LogSearchEntry",
    "LogSearchPosting",
    "LogSearchSegment",
    "LogSketch",
    "Notification",
    "NotificationChannel",
    "Repository",
    "Rollup",
    "RollupInvalidation",
    "RollupState",
    "Run",
    "RunGap",
    "SavedView",
    "SessionGeneration",
    "StoredCauseRule",
    "StoredSetting",
    "StoredTeam",
    "SyncState",
    "Target",
    "TeamRepository",
    "UsageRollup",
    "Workflow",
    "WorkflowSchedule",
]
