"""Enumerations of stored values. Values of GitHub that this version does not know are stored unchanged and counted as
OTHER; they are never rejected."""

from enum import IntEnum, StrEnum


class Status(StrEnum):
    REQUESTED = "requested"
    QUEUED = "queued"
    PENDING = "pending"
    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Conclusion(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    TIMED_OUT = "timed_out"
    ACTION_REQUIRED = "action_required"
    STALE = "stale"
    STARTUP_FAILURE = "startup_failure"


class Outcome(StrEnum):
    """The class of a conclusion in the metrics. Success rates count SUCCESS and FAILURE only."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    OTHER = "other"
    IN_PROGRESS = "in_progress"


class LogState(StrEnum):
    """State of a job's log. EXPIRED: GitHub deleted it before it was read. PRUNED: it was stored and then deleted after
    the retention period. UNREADABLE: it is stored, but its text is damaged; the database has STORED."""

    STORED = "stored"
    PENDING = "pending"
    EXPIRED = "expired"
    MISSING = "missing"
    PRUNED = "pruned"
    UNREADABLE = "unreadable"


class CauseSource(StrEnum):
    """Where a failure cause comes from. RULE: a line of the log that matches a rule of a user."""

    LOG = "log"
    ANNOTATION = "annotation"
    RULE = "rule"


class TeamSource(StrEnum):
    """Where a team, a channel or a setting is defined, in the order in which a field is taken."""

    FILE = "file"
    DASHBOARD = "dashboard"
    GITHUB = "github"


class CodeownersState(StrEnum):
    """ABSENT: none of GitHub's three places has the file. UNREADABLE: it could not be read, so owners are unknown."""

    READ = "read"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


class KeyScope(StrEnum):
    """What an API key may do; each scope includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ActorKind(StrEnum):
    """Who made a change. ANONYMOUS: somebody on an installation without a login. SYSTEM: the collector itself."""

    USER = "user"
    API_KEY = "api_key"
    ANONYMOUS = "anonymous"
    SYSTEM = "system"


class Origin(StrEnum):
    """By which way a change was made. FILE: TEAMS_FILE and environment variables."""

    DASHBOARD = "dashboard"
    API = "api"
    COMMAND = "command"
    FILE = "file"


class AuditAction(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    ENDED = "ended"
    REVOKED = "revoked"
    SENT = "sent"


class AuditSubject(StrEnum):
    """The kind of what was changed."""

    ALERT = "alert"
    ALERT_RULE = "alert_rule"
    SILENCE = "silence"
    CHANNEL = "channel"
    TEAM = "team"
    API_KEY = "api_key"
    CAUSE_RULE = "cause_rule"
    CAUSE_TRIAGE = "cause_triage"
    SAVED_VIEW = "saved_view"
    SETTING = "setting"
    DIGEST = "digest"


class ErrorCode(StrEnum):
    """The reason why data of a repository or a target could not be read from GitHub, stored with the text of the
    error."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    BLOCKED = "blocked"
    NOT_FOUND = "not_found"
    OWNER_NOT_FOUND = "owner_not_found"
    GONE = "gone"
    UNPROCESSABLE = "unprocessable"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    INVALID_RESPONSE = "invalid_response"


class InboxState(StrEnum):
    PENDING = "pending"
    APPLIED = "applied"
    IGNORED = "ignored"
    FAILED = "failed"


class BackfillPhase(StrEnum):
    READING = "reading"
    VERIFYING = "verifying"
    DONE = "done"


class GapState(StrEnum):
    """OPEN: the missing runs are still requested from GitHub. ABSENT: GitHub does not have them, because they were
    deleted."""

    OPEN = "open"
    ABSENT = "absent"


class GapKind(StrEnum):
    """The reason why data is missing. ERROR: the repository cannot be read now. CAPPED: one second has more runs than
    GitHub lists. UNREADABLE: a response, or an entry of GITHUB_REPOS, is invalid. RUN_NUMBERS: runs are missing between
    the numbers of others. HISTORY: history is still being read or verified. JOBS: jobs of runs are still to be fetched.
    JOB_LISTS: GitHub lists fewer jobs of a run than it counts."""

    ERROR = "error"
    CAPPED = "capped"
    UNREADABLE = "unreadable"
    RUN_NUMBERS = "run_numbers"
    HISTORY = "history"
    JOBS = "jobs"
    JOB_LISTS = "job_lists"


class Liveness(StrEnum):
    """State of a collector. STOPPED: it shut down in an orderly way. STALE: its heartbeat is overdue."""

    NEVER = "never"
    LIVE = "live"
    STALE = "stale"
    STOPPED = "stopped"


class ClaimKind(StrEnum):
    """REPOSITORY: the holder collects the repository. LEADER: the holder does the work that only one collector may do.
    LIVENESS: the holder is running."""

    REPOSITORY = "repository"
    LEADER = "leader"
    LIVENESS = "liveness"


class CompletenessState(StrEnum):
    """State of a repository's data. NO_ACTIONS: the repository does not use Actions, so that nothing can be missing.
    CATCHING_UP: data is still being collected. GAPS: data is known to be missing. FAILING: the repository cannot be
    read now."""

    COMPLETE = "complete"
    ARCHIVED = "archived"
    NO_ACTIONS = "no_actions"
    CATCHING_UP = "catching_up"
    GAPS = "gaps"
    FAILING = "failing"


class WorkflowState(StrEnum):
    """GitHub's states, and UNLISTED: a run refers to the workflow, and no complete list of workflows was read since.
    DELETED includes workflows that are missing in a complete list."""

    ACTIVE = "active"
    DELETED = "deleted"
    DISABLED_FORK = "disabled_fork"
    DISABLED_INACTIVITY = "disabled_inactivity"
    DISABLED_MANUALLY = "disabled_manually"
    UNLISTED = "unlisted"


# The prefix of the states of disabled workflows, including states that GitHub may add.
DISABLED_PREFIX = "disabled"


def is_inactive(state: str) -> bool:
    """Returns whether a workflow in this state cannot run until it is restored or enabled."""
    return state == WorkflowState.DELETED or state.startswith(DISABLED_PREFIX)


class AlertState(StrEnum):
    """Stored are FIRING and RESOLVED. ACKNOWLEDGED: the alert fires and was acknowledged. SILENCED: the alert fires,
    and an active silence suppresses its notifications."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


class SilenceState(StrEnum):
    ACTIVE = "active"
    PENDING = "pending"
    ENDED = "ended"


class DeliveryState(StrEnum):
    """MERGED: the notification was merged into another message, or the alert was resolved before it was sent."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    MERGED = "folded"


class RuleKind(StrEnum):
    CONSECUTIVE_FAILURES = "consecutive_failures"
    FAILURE_RATE = "failure_rate"
    SUCCESS_REGRESSION = "success_regression"
    DURATION_REGRESSION = "duration_regression"
    QUEUE_TIME = "queue_time"
    STUCK_RUN = "stuck_run"
    MISSING_RUN = "missing_run"
    FLAKY_RATE = "flaky_rate"
    ERROR_BUDGET = "error_budget"
    COLLECTOR_STALE = "collector_stale"


class RuleScope(StrEnum):
    """The object of one alert of a rule."""

    WORKFLOW = "workflow"
    REPOSITORY = "repository"


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Interval(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class GroupBy(StrEnum):
    REPO = "repo"
    WORKFLOW = "workflow"
    BRANCH = "branch"
    EVENT = "event"
    ACTOR = "actor"
    RUNNER = "runner"


class Dimension(StrEnum):
    """A dimension of roll-ups, in addition to the time bucket."""

    REPOSITORY = "repository_id"
    WORKFLOW = "workflow_id"
    BRANCH_KIND = "branch_kind"
    EVENT = "event"


class BranchKind(IntEnum):
    """FORK_DEFAULT: a branch of a fork with the name of the default branch, as in pull requests from its main."""

    OTHER = 0
    FORK_DEFAULT = 1
    DEFAULT = 2


class RollupLevel(IntEnum):
    """Levels of roll-ups from the coarsest to the finest. The first level that has all dimensions of a query is the
    fastest."""

    ALL = 0
    ALL_EVENT = 1
    REPO = 2
    REPO_EVENT = 3
    REPO_BRANCH = 4
    WORKFLOW = 5
    FINEST = 6
