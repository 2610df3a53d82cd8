"""Colours and labels of outcomes, workflow states, completeness states and classes of failure causes. Every colour
comes with a word, and that of a state with a sign."""

from db.enums import CompletenessState
from health.insights.causes.model import CauseClass
from health.metrics.definitions.episodes import WorkflowStatus
from health.teams.definition import NO_TEAM

_SYMBOLS = {
    "success": "✓",
    "failure": "✕",
    "timed_out": "◷",
    "startup_failure": "✕",
    "cancelled": "⊘",
    "skipped": "↷",
    "in_progress": "●",
    "queued": "○",
    "waiting": "○",
    "pending": "○",
    "requested": "○",
    "neutral": "–",
    "stale": "–",
    "action_required": "!",
    "end_unknown": "?",
}
_LABELS = {
    "failure": "Failed",
    "in_progress": "Running",
    "startup_failure": "Startup failure",
    "timed_out": "Timed out",
    "action_required": "Action required",
}
SUCCESS, FAILURE, TIMED_OUT = "#08A69E", "#D3261C", "#DC861C"
CANCELLED, SKIPPED, RUNNING, OTHER = "#69727D", "#A9B2BD", "#1A6FCB", "#7457D1"
_COLOURS = {
    "success": SUCCESS,
    "failure": FAILURE,
    "timed_out": TIMED_OUT,
    "startup_failure": FAILURE,
    "cancelled": CANCELLED,
    "skipped": SKIPPED,
    "in_progress": RUNNING,
    "queued": RUNNING,
}
_GROUPS = {
    "success": "green",
    "failure": "red",
    "timed_out": "orange",
    "startup_failure": "red",
    "in_progress": "blue",
    "queued": "blue",
    "waiting": "blue",
    "pending": "blue",
    "requested": "blue",
    "action_required": "orange",
}
_EVENT_LABELS = {
    "schedule": "Scheduled",
    "workflow_dispatch": "Manual",
    "repository_dispatch": "API dispatch",
    "workflow_run": "After a workflow",
    "workflow_call": "Called workflow",
}
_COMPLETENESS_LABELS = {
    CompletenessState.COMPLETE: ("✓ Complete", "green"),
    CompletenessState.ARCHIVED: ("✓ Archived", "green"),
    CompletenessState.NO_ACTIONS: ("– No Actions", "gray"),
    CompletenessState.CATCHING_UP: ("◌ Catching up", "blue"),
    CompletenessState.GAPS: ("! Gaps", "orange"),
    CompletenessState.FAILING: ("✕ Cannot be read", "red"),
}
# Label and colour of the classes of failure causes: those that are no fault of the change are blue.
_CAUSE_CLASSES = {
    CauseClass.TEST: ("Test", "orange"),
    CauseClass.COMPILE: ("Compile", "orange"),
    CauseClass.LINT: ("Lint", "orange"),
    CauseClass.DEPENDENCY: ("Dependency", "orange"),
    CauseClass.CONFIGURATION: ("Configuration", "orange"),
    CauseClass.INFRASTRUCTURE: ("Infrastructure", "blue"),
    CauseClass.TIMEOUT: ("Timeout", "blue"),
    CauseClass.RESOURCES: ("Resources", "blue"),
    CauseClass.CANCELLED: ("Cancelled", "gray"),
    CauseClass.UNKNOWN: ("Unknown", "gray"),
}
_DISABLED_BECAUSE = {"disabled_inactivity": " after inactivity", "disabled_fork": " in a fork"}
_WORKFLOW_STATUS_LABELS = {
    WorkflowStatus.PASSING: ("✓ Passing", "green"),
    WorkflowStatus.FAILING: ("✕ Failing", "red"),
    WorkflowStatus.NO_RUNS: ("– No runs on {branch}", "gray"),
    WorkflowStatus.CATCHING_UP: ("◌ Catching up", "blue"),
    WorkflowStatus.DISABLED: ("⊘ Disabled", "gray"),
    WorkflowStatus.DELETED: ("⊘ Deleted", "gray"),
    WorkflowStatus.ARCHIVED: ("⊘ Archived", "gray"),
}


def outcome_label(state: str) -> str:
    """Sign and word, such as `✓ Success`; an unknown value is shown as it is."""
    name = _LABELS.get(state) or state.replace("_", " ").capitalize()
    return f"{_SYMBOLS.get(state, '·')} {name}"


def outcome_colour(outcome: str) -> str:
    """The hexadecimal colour of an outcome, the same on a light and on a dark ground."""
    return _COLOURS.get(outcome, OTHER)


def colour_group(state: str) -> str:
    """The name of the theme colour for text and badges."""
    return _GROUPS.get(state, "gray")


def outcome_name(state: str) -> str:
    """The word without the sign, for lists of options."""
    return outcome_label(state).partition(" ")[2]


def event_label(event: str) -> str:
    """The event that started a run, such as `Pull request`; an unknown one as words."""
    return _EVENT_LABELS.get(event) or event.replace("_", " ").capitalize()


def workflow_status_label(status: WorkflowStatus, branch: str) -> str:
    """Sign and word for the state of a workflow on its default branch."""
    return _WORKFLOW_STATUS_LABELS[status][0].replace("{branch}", branch)


def workflow_status_text(status: WorkflowStatus, branch: str, workflow_state: str) -> str:
    """As `workflow_status_label`, with the reason that GitHub reports for a disabled workflow."""
    reason = _DISABLED_BECAUSE.get(workflow_state, "") if status is WorkflowStatus.DISABLED else ""
    return f"{workflow_status_label(status, branch)}{reason}"


def workflow_status_colour(status: WorkflowStatus) -> str:
    """The name of the theme colour."""
    return _WORKFLOW_STATUS_LABELS[status][1]


def completeness_label(state: CompletenessState) -> str:
    return _COMPLETENESS_LABELS[state][0]


def completeness_colours() -> dict[str, str]:
    """The name of the theme colour by label."""
    return dict(_COMPLETENESS_LABELS.values())


def cause_class_label(kind: str) -> str:
    """The word for a class of failure causes; a class of a later version is shown as it is."""
    return _CAUSE_CLASSES[CauseClass(kind)][0] if kind in _CAUSE_CLASSES else kind.replace("_", " ").capitalize()


def cause_class_colour(kind: str) -> str:
    """The name of the theme colour."""
    return _CAUSE_CLASSES[CauseClass(kind)][1] if kind in _CAUSE_CLASSES else "gray"


def team_label(name: str) -> str:
    """A value of the filter by team in words."""
    return "No team" if name == NO_TEAM else name
