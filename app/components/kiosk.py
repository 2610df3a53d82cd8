"""Kiosk mode, the Overview for a wall screen: large key figures and one field for each workflow."""

import streamlit as st

from app.data.figures import WorkflowList
from app.status_style import workflow_status_colour, workflow_status_label
from app.widgets.text import html
from core import formatting
from health.metrics.definitions.catalogue import FIGURES, display
from health.metrics.definitions.episodes import WorkflowStatus
from health.metrics.service import Comparison
from health.metrics.workflow_health import WorkflowHealth

_FIGURES = ("success_rate", "runs", "failures", "success_duration_p50", "queue_p95")
_MAX_FIELDS = 120


def kiosk_style() -> None:
    """Hides sidebar, header, controls and the cursor."""
    st.html(
        "<style>section[data-testid=stSidebar], header[data-testid=stHeader], [data-testid=stExpandSidebarButton] "
        "{ display: none !important; } .stMainBlockContainer { max-width: none; padding: 1.2rem 1.6rem; } "
        ".stApp { cursor: none; }</style>"
    )


def kiosk_figures(comparison: Comparison, period: str) -> None:
    written = display(comparison.current)
    cards = "".join(
        f"<div><small>{html(FIGURES[name].label)}</small><b>{html(written[name])}</b>"
        f"{_change_span(comparison, name)}</div>"
        for name in _FIGURES
    )
    st.html(f'<div class="ph-wall-figures" aria-label="The last {html(period)}">{cards}</div>')


def workflow_fields(workflows: WorkflowList) -> None:
    """One field for each active workflow, worst first; at most _MAX_FIELDS."""
    active = [
        workflow
        for workflow in workflows.items
        if not workflows.default_branch_status(workflow.repo, workflow.workflow_id).status.is_inactive
    ]
    fields = "".join(_workflow_field(workflow, workflows) for workflow in active[:_MAX_FIELDS])
    st.html(f'<div class="ph-wall-fields">{fields}</div>')
    if len(active) > _MAX_FIELDS:
        st.caption(f"{formatting.count(_MAX_FIELDS)} of {formatting.count(len(active))} workflows, worst first")


def _workflow_field(workflow: WorkflowHealth, workflows: WorkflowList) -> str:
    branch_status = workflows.default_branch_status(workflow.repo, workflow.workflow_id)
    sign, _, word = workflow_status_label(branch_status.status, branch_status.branch).partition(" ")
    label = "" if branch_status.status in (WorkflowStatus.PASSING, WorkflowStatus.FAILING) else f" · {html(word)}"
    return (
        f'<div class="ph-field ph-{workflow_status_colour(branch_status.status)}" title="{html(word)}"><b>{sign} '
        f"{html(workflow.workflow)}</b><span>{html(workflow.repo)}{label}</span>"
        f"<em>{formatting.percent(workflow.metrics.success_rate)}</em></div>"
    )


def _change_span(comparison: Comparison, name: str) -> str:
    change = comparison.change(name)
    if change is None:
        return "<span></span>"
    tone = "ph-gray" if change.is_improvement is None else "ph-green" if change.is_improvement else "ph-red"
    return f'<span class="{tone}">{html(change.text)}</span>'
