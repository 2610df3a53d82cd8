"""A screen that nobody touches: what is broken in large letters, the figures, and a field for each workflow."""

import streamlit as st

from app.components.text import html
from app.data import Workflows
from app.marks import standing_colour, standing_word
from db.analytics import Comparison, WorkflowHealth
from db.metrics import units
from db.metrics.catalogue import FIGURES, display
from db.metrics.standing import Standing

_FIGURES = ("success_rate", "runs", "failures", "success_duration_p50", "queue_p95")
_FIELDS = 120


def wall_style() -> None:
    """Without sidebar, head and controls; the cursor hides."""
    st.html(
        "<style>section[data-testid=stSidebar], header[data-testid=stHeader], [data-testid=stExpandSidebarButton] "
        "{ display: none !important; } .stMainBlockContainer { max-width: none; padding: 1.2rem 1.6rem; } "
        ".stApp { cursor: none; }</style>"
    )


def figures(comparison: Comparison, period: str) -> None:
    written = display(comparison.now)
    cards = "".join(
        f"<div><small>{html(FIGURES[name].label)}</small><b>{html(written[name])}</b>{_change(comparison, name)}</div>"
        for name in _FIGURES
    )
    st.html(f'<div class="ph-wall-figures" aria-label="The last {html(period)}">{cards}</div>')


def fields(found: Workflows) -> None:
    """One for each workflow that can run, worst first; as many as a screen holds."""
    active = [each for each in found.listed if not found.standing(each.repo, each.workflow_id).standing.inactive]
    st.html(f'<div class="ph-wall-fields">{"".join(_field(each, found) for each in active[:_FIELDS])}</div>')
    if len(active) > _FIELDS:
        st.caption(f"{units.count(_FIELDS)} of {units.count(len(active))} workflows, worst first")


def _field(each: WorkflowHealth, found: Workflows) -> str:
    stands = found.standing(each.repo, each.workflow_id)
    sign, _, word = standing_word(stands.standing, stands.branch).partition(" ")
    told = "" if stands.standing in (Standing.PASSING, Standing.FAILING) else f" · {html(word)}"
    return (
        f'<div class="ph-field ph-{standing_colour(stands.standing)}" title="{html(word)}"><b>{sign} '
        f"{html(each.workflow)}</b><span>{html(each.repo)}{told}</span>"
        f"<em>{units.percent(each.metrics.success_rate)}</em></div>"
    )


def _change(comparison: Comparison, name: str) -> str:
    found = comparison.change(name)
    if found is None:
        return "<span></span>"
    tone = "ph-gray" if found.good is None else "ph-green" if found.good else "ph-red"
    return f'<span class="{tone}">{html(found.text)}</span>'
