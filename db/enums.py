"""The words of the field. GitHub sends plain strings; values it invents later are stored as they come
and counted as OTHER, so nothing here is ever used to reject a value."""

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
    """What a conclusion means for the figures. SUCCESS and FAILURE are the decided ones."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    OTHER = "other"
    IN_PROGRESS = "in_progress"


class LogState(StrEnum):
    """EXPIRED: GitHub had deleted it before it was read. PRUNED: it was stored, and was deleted here for its age."""

    STORED = "stored"
    PENDING = "pending"
    EXPIRED = "expired"
    MISSING = "missing"
    PRUNED = "pruned"


class ErrorCode(StrEnum):
    """Why GitHub's data of a repository or a target could not be read. Stored with the error's text."""

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
    """OPEN: GitHub is still being asked for the missing runs. ABSENT: it does not have them (deleted)."""

    OPEN = "open"
    ABSENT = "absent"


class GapKind(StrEnum):
    """Why something is missing. ERROR: a repository cannot be read now. CAPPED: GitHub lists no more of one second.
    UNREADABLE: an answer, or a name of GITHUB_REPOS, that could not be used. RUN_NUMBERS: runs that were never seen.
    HISTORY: still being read, or compared once more. JOBS: runs whose jobs are still to be fetched. JOB_LISTS: GitHub
    lists fewer jobs of a run than it counts."""

    ERROR = "error"
    CAPPED = "capped"
    UNREADABLE = "unreadable"
    RUN_NUMBERS = "run_numbers"
    HISTORY = "history"
    JOBS = "jobs"
    JOB_LISTS = "job_lists"


class Liveness(StrEnum):
    """Of a collector. STOPPED: it ended in order. STALE: it has not been heard of for longer than it should."""

    NEVER = "never"
    LIVE = "live"
    STALE = "stale"
    STOPPED = "stopped"


class ClaimKind(StrEnum):
    """REPOSITORY: the holder collects the repository. LEADER: the holder does the work that one collector does for all.
    LIVENESS: the holder runs."""

    REPOSITORY = "repository"
    LEADER = "leader"
    LIVENESS = "liveness"


class CompletenessState(StrEnum):
    """NO_ACTIONS: GitHub has no Actions there, so that nothing can be missing. CATCHING_UP: more comes by itself. GAPS:
    something is known to be missing. FAILING: it cannot be read now."""

    COMPLETE = "complete"
    ARCHIVED = "archived"
    NO_ACTIONS = "no_actions"
    CATCHING_UP = "catching_up"
    GAPS = "gaps"
    FAILING = "failing"


class WorkflowState(StrEnum):
    """As GitHub names them, and UNLISTED: a run names the workflow and no complete list of workflows was read since.
    DELETED is also a workflow that a complete list does not name any more."""

    ACTIVE = "active"
    DELETED = "deleted"
    DISABLED_FORK = "disabled_fork"
    DISABLED_INACTIVITY = "disabled_inactivity"
    DISABLED_MANUALLY = "disabled_manually"
    UNLISTED = "unlisted"


# Of workflows that cannot run; reasons that GitHub may add begin alike.
DISABLED_PREFIX = "disabled"


def is_inactive(state: str) -> bool:
    """Whether a workflow in this state cannot run until somebody restores or enables it."""
    return state == WorkflowState.DELETED or state.startswith(DISABLED_PREFIX)


class AlertState(StrEnum):
    """Stored are FIRING and RESOLVED. ACKNOWLEDGED: it fires, and somebody said that they know. SILENCED: it fires, and
    a silence that holds now keeps it from telling anybody."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


class SilenceState(StrEnum):
    ACTIVE = "active"
    PENDING = "pending"
    ENDED = "ended"


class DeliveryState(StrEnum):
    """FOLDED: what it says goes out with another message, or was over before anybody could be told."""

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
    """What one alert of a rule is about."""

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
    """What a roll-up may be about, beside its tile of time."""

    REPOSITORY = "repository_id"
    WORKFLOW = "workflow_id"
    BRANCH_KIND = "branch_kind"
    EVENT = "event"


class BranchKind(IntEnum):
    """NAMESAKE: a branch that has the default branch's name and is another, as a pull request from a fork's main."""

    OTHER = 0
    FORK_DEFAULT = 1
    DEFAULT = 2


class RollupLevel(IntEnum):
    """From the coarsest on: the first that has all that is asked for is the quickest answer."""

    ALL = 0
    ALL_EVENT = 1
    REPO = 2
    REPO_EVENT = 3
    REPO_BRANCH = 4
    WORKFLOW = 5
    FINEST = 6
