"""Tables. GitHub's numeric ids are the identity: names of repositories, branches and people change.

Every table that grows carries repository_id first in its primary key, so that it can be partitioned or
sharded by repository without a change to any query.
"""

from db.models.alerts import Alert, AlertRule, AlertSilence, ChannelState, Notification
from db.models.base import Base
from db.models.collection import (
    Backfill,
    Claim,
    Heartbeat,
    InboxItem,
    InstallationKey,
    RunGap,
    SessionGeneration,
    SyncState,
    Target,
)
from db.models.rollups import BrokenEpisode, Rollup, RollupInvalidation, RollupState, UsageRollup
from db.models.runs import Attempt, Job, JobLog, Repository, Run, Workflow, WorkflowSchedule

__all__ = [
    "Alert",
    "AlertRule",
    "Attempt",
    "Backfill",
    "Base",
    "BrokenEpisode",
    "ChannelState",
    "Claim",
    "Notification",
    "Heartbeat",
    "InboxItem",
    "InstallationKey",
    "Job",
    "JobLog",
    "Repository",
    "Rollup",
    "RollupInvalidation",
    "RollupState",
    "Run",
    "RunGap",
    "SessionGeneration",
    "AlertSilence",
    "SyncState",
    "Target",
    "UsageRollup",
    "Workflow",
    "WorkflowSchedule",
]
