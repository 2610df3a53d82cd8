"""The head of a page: its title in the browser, its breadcrumb and its first heading."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.filters import url_state
from app.status_style import team_label
from app.widgets.cells import anchor
from app.widgets.text import html, truncate
from core.text import printable

PRODUCT = "Pipeline Health"
# The title of the current run of the script; empty until it is set.
_TITLE_KEY = "page-title"
_MAX_TITLE_PART, _MAX_CRUMB = 80, 90
_PLURALS = {url_state.TEAM_KEY: "teams", "repo": "repositories", "workflow": "workflows", "branch": "branches"}


@dataclass(frozen=True)
class Crumb:
    """A step of a breadcrumb; without `page`, the current page."""

    label: str
    page: str | None = None
    query: Sequence[tuple[str, object]] = ()


def begin(name: str) -> None:
    """Starts a run of the script. Streamlit's default title, the name of the page alone, would be visible until the
    first title is set, so the first run of a session sets one at once; later runs keep the current title until then."""
    if _TITLE_KEY not in st.session_state:
        _write(name)
    st.session_state[_TITLE_KEY] = ""


def has_title() -> bool:
    return bool(st.session_state.get(_TITLE_KEY))


def set_title(*parts: str) -> None:
    """The title of the browser's tab: the parts that are not empty, and the name of the product."""
    st.session_state[_TITLE_KEY] = _write(*parts)


def default_head(name: str) -> None:
    """The head of a page without a subject of its own: its name and the selected filters. The heading is visible in
    print and for screen readers; on the screen, the menu shows the name."""
    set_title(name, *selection_parts())
    st.html(f'<h1 class="ph-page-title">{html(name)}</h1>')


def print_line(period: str) -> None:
    """The period and the filters as text, for print; the browser adds the time and the URL. `period`: empty on pages
    without filters."""
    parts = [period, *(", ".join(_selected(key)) for key in _PLURALS if period)]
    line = " · ".join(html(part) for part in parts if part)
    st.html(f'<p class="ph-print-line">{line}<span class="ph-print-source"></span></p>')


def selection_parts() -> list[str]:
    """The selected teams, repositories, workflows and branches in words, such as `acme/web` or `3 branches`."""
    selections = ((key, _selected(key)) for key in _PLURALS)
    return [values[0] if len(values) == 1 else f"{len(values)} {_PLURALS[key]}" for key, values in selections if values]


def _selected(key: str) -> tuple[str, ...]:
    values = url_state.selected(key)
    return tuple(map(team_label, values)) if key == url_state.TEAM_KEY else values


def breadcrumb(crumbs: Sequence[Crumb]) -> str:
    """The path to the current page, which is the last crumb, as HTML."""
    return f'<nav class="ph-crumb" aria-label="Breadcrumb"><ol>{"".join(map(_item, crumbs))}</ol></nav>'


def run_crumbs(repo: str, workflow: str, workflow_id: int) -> list[Crumb]:
    """The path to a run: the list of runs, its repository and its workflow."""
    return [
        Crumb("Runs", "runs"),
        Crumb(repo, "runs", [("repo", repo)]),
        Crumb(workflow, "workflow", [("id", workflow_id)]),
    ]


def _item(crumb: Crumb) -> str:
    label = truncate(crumb.label, _MAX_CRUMB)
    if crumb.page is None:
        return f'<li aria-current="page">{html(label)}</li>'
    return f"<li>{anchor(label, crumb.page, crumb.query)}</li>"


def _write(*parts: str) -> str:
    cleaned = (" ".join(printable(part).split()) for part in parts)
    title = " · ".join([*(truncate(part, _MAX_TITLE_PART) for part in cleaned if part), PRODUCT])
    st.set_page_config(page_title=title)
    return title
