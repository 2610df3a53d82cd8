"""The head of the page of one workflow."""

import streamlit as st

from app.components.cells import anchor
from app.components.text import html, markdown
from app.data import Trends
from app.marks import standing_colour, standing_reason
from db.metrics import units
from db.metrics.phrases import counted
from db.metrics.standing import Standing, WorkflowStanding
from db.queries.repositories import WorkflowRow

_BIGGEST = 2**63 - 1


def wanted_workflow() -> int | None:
    given = st.query_params.get("id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= _BIGGEST else None


def unknown(workflow_id: int) -> None:
    with st.container(border=True, key="state-unknown-workflow"):
        st.markdown(f"### :material/search_off: Workflow {workflow_id} is not known")
        st.markdown("It may have been deleted, or belong to a repository that is not monitored.")
        st.page_link("views/workflow.py", label="All workflows", icon=":material/account_tree:")


def header(
    workflow: WorkflowRow, stands: WorkflowStanding | None, schedule_trouble: str | None, github_url: str | None
) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="workflow-head"
    ):
        st.html(_head(workflow, stands), width="stretch")
        if github_url and github_url.startswith("https://"):
            url = f"{github_url}/actions/workflows/{workflow.path.rpartition('/')[2]}"
            st.link_button("View on GitHub", url, icon=":material/open_in_new:")
    if schedule_trouble:
        st.caption(f":orange[●] Its schedule is not judged in full: {markdown(schedule_trouble)}")


def _head(workflow: WorkflowRow, stands: WorkflowStanding | None) -> str:
    standing, branch = (stands.standing, stands.branch) if stands else (Standing.CATCHING_UP, "")
    state, word = f"ph-{standing_colour(standing)}", standing_reason(standing, branch, workflow.state)
    word += " on the default branch" if standing in (Standing.PASSING, Standing.FAILING) else ""
    runs = anchor("all its runs", "runs", [("repo", workflow.repo), ("workflow", workflow.name)])
    repo = anchor(workflow.repo, "", [("repo", workflow.repo)])
    return (
        f'<div class="ph-crumb">{anchor("Workflows", "workflow")} / {repo}</div>'
        f'<h2 class="ph-title">{html(workflow.name)}</h2>'
        f'<div class="ph-meta"><span class="ph-pill {state}">{html(word)}</span><code>{html(workflow.path)}</code>'
        f"<span>{runs}</span></div>"
    )


def shown_of(found_dots: int, total: int) -> str:
    """Says what is not drawn."""
    return "" if found_dots >= total else f" · the newest {units.count(found_dots)} of {units.count(total)}"


def read_of(runs: int, total: int) -> str:
    """Of how many runs jobs and steps are."""
    known = f"the newest {units.count(runs)} of {counted(total, 'run')}" if runs < total else counted(runs, "run")
    return f"{known} · most time first"


def nothing(found: Trends, period: str) -> bool:
    if found.comparison.now.runs.total:
        return False
    st.info(f"No run in {period}.", icon=":material/info:")
    return True
