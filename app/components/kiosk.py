"""Kiosk mode: the Overview for a wall screen, in views that the browser rotates and fits to the screen
(`app/javascript/navigation/kiosk.js`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import streamlit as st

from app.components.attention import LIST_ROLE, attention_row, handled_text
from app.components.run_links import github_repositories
from app.data.figures import WorkflowList
from app.status_style import workflow_status_colour, workflow_status_label
from app.widgets.cells import address
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.alerts.attention import Attention
from health.metrics.definitions.catalogue import FIGURES, display
from health.metrics.definitions.change import MIN_SAMPLE
from health.metrics.definitions.episodes import BranchStatus, WorkflowStatus
from health.metrics.service import Comparison
from health.metrics.workflow_health import WorkflowHealth

_FIGURES = ("success_rate", "runs", "failures", "success_duration_p50", "queue_p95")
# With more workflows, a field is a repository. The browser shows as many fields as the screen has space for.
_MAX_WORKFLOWS, _MAX_FIELDS = 60, 400
_MAX_ATTENTION, _MAX_LISTED = 3, 12
_NO_RUNS = "No matching runs in this period"
_FOOT = '<button type="button" class="ph-wall-exit">Exit kiosk mode <kbd>Esc</kbd></button>'
_VIEWS = {"overview": "Overview", "failing": "Failing workflows", "alerts": "Alerts"}
# Fields in the order of their state: what needs attention first.
_ORDER = (WorkflowStatus.FAILING, WorkflowStatus.CATCHING_UP, WorkflowStatus.NO_RUNS, WorkflowStatus.PASSING)


@dataclass(frozen=True)
class KioskHead:
    """The first line of a wall screen. `subject`: the selected repositories, workflows and branches in words, or the
    name of the saved view; `note`: the completeness of the data, empty if it is unknown."""

    now: datetime
    period: str
    subject: str
    note: str
    synced_at: datetime | None


@dataclass(frozen=True)
class KioskPage:
    """What a wall screen shows. `caveat`: why an empty list does not mean that everything is fine; null if it does.
    `alerts_caveat`: the same of the list of alerts."""

    head: KioskHead
    comparison: Comparison
    workflows: WorkflowList
    attention: Sequence[Attention]
    alerts: Sequence[str]
    open_alerts: int
    caveat: str | None
    alerts_caveat: str | None = None


@dataclass(frozen=True)
class KioskField:
    """A workflow, or a repository with the worst state of its workflows. `rate`: the success rate of `decided` runs.
    `handled`: who acknowledged or silenced its failures, as HTML; empty if nobody did."""

    repo: str
    detail: str
    status: BranchStatus
    rate: float | None
    decided: int
    workflow_id: int | None
    handled: str = ""


def kiosk_style() -> None:
    """Hides sidebar, header and the status line, which the head of the screen repeats."""
    st.html(
        "<style>section[data-testid=stSidebar], header[data-testid=stHeader], [data-testid=stExpandSidebarButton], "
        ".st-key-head { display: none !important; }</style>"
    )


def kiosk_html(page: KioskPage, view: str, rotate: int) -> str:
    """One `view`, or all of them in turn, each for `rotate` seconds."""
    names = [view] if view else list(_VIEWS) if rotate else ["overview"]
    shown = "".join(_section(name, page, name, is_first=name == names[0]) for name in names)
    return f'<div class="ph-wall" data-rotate="{rotate}">{_head(page.head)}{shown}{_FOOT}</div>'


def saved_views_html(pages: Mapping[int, KioskPage], view: str, rotate: int) -> str:
    """The same `view`, by default the Overview, with the filters of several saved views, by their id, in turn."""
    first = next(iter(pages))
    shown = "".join(
        _section(f"saved-{number}", page, view or "overview", is_first=number == first)
        for number, page in pages.items()
    )
    return f'<div class="ph-wall" data-rotate="{rotate}">{_head(pages[first].head)}{shown}{_FOOT}</div>'


def kiosk_notice(head: KioskHead, text: str) -> str:
    """A wall screen that shows why there is nothing to show."""
    return f'<div class="ph-wall" data-rotate="0">{_head(head)}<section>{_note(text)}</section>{_FOOT}</div>'


def _head(head: KioskHead) -> str:
    age, synced = "not synced yet", ""
    if head.synced_at:
        seconds = (head.now - head.synced_at).total_seconds()
        # Without seconds: each change of the text replaces the screen.
        age = f"updated {formatting.relative(seconds) if seconds >= 60 else 'just now'}"
        synced = f' data-updated="{head.synced_at.timestamp():.0f}"'
    return (
        f'<div class="ph-wall-head"><b data-head="subject">{html(_subject(head))}</b>'
        f'<span data-head="period">{html(head.period)}</span><span data-head="note">{html(head.note)}</span>'
        f'<span class="ph-wall-view"></span><span{synced}>{age}</span>'
        f'<time data-clock aria-label="Time"></time></div>'
    )


def _subject(head: KioskHead) -> str:
    return head.subject or "All repositories"


def _section(name: str, page: KioskPage, view: str, *, is_first: bool) -> str:
    """`name`: identifies the section. The browser writes its head into the first line of the screen."""
    content, is_empty = _CONTENTS[view](page)
    head = page.head
    return (
        f'<section data-view="{name}" data-subject="{html(_subject(head))}" data-period="{html(head.period)}" '
        f'data-note="{html(head.note)}" aria-label="{_VIEWS[view]}"{"" if is_first else " hidden"}'
        f"{' data-empty' if is_empty else ''}>{content}</section>"
    )


# Views return their content, and whether it is only a note, so that the rotation leaves the view out.
def _overview(page: KioskPage) -> tuple[str, bool]:
    fields = field_grid(_with_handling(kiosk_fields(page.workflows), page)) if page.workflows.items else _note(_NO_RUNS)
    return f"{_attention(page)}{_figures(page.comparison)}{fields}", False


def _failing(page: KioskPage) -> tuple[str, bool]:
    failing = [field for field in kiosk_fields(page.workflows, by_workflow=True) if _is_failing(field.status)]
    if failing:
        return field_grid(_with_handling(failing, page)), False
    return _calm("No failing workflows", page.caveat) if page.workflows.items else _note(_NO_RUNS), True


def _alerts(page: KioskPage) -> tuple[str, bool]:
    rest = page.open_alerts - len(page.alerts[:_MAX_LISTED])
    more = f'<p class="ph-wall-rest">{pluralize(rest, "more alert")}</p>' if rest > 0 else ""
    rows = "".join(page.alerts[:_MAX_LISTED])
    if rows:
        return f'<div class="ph-wall-list">{rows}{more}</div>', False
    return _calm("No firing alerts", page.caveat or page.alerts_caveat), True


_CONTENTS = {"overview": _overview, "failing": _failing, "alerts": _alerts}


def _note(text: str) -> str:
    return f'<p class="ph-wall-calm ph-gray">{html(text)}</p>'


def _calm(text: str, caveat: str | None) -> str:
    if caveat:
        return _note(f"{text} in the stored data, which may be incomplete. {caveat}")
    return f'<p class="ph-wall-calm ph-green">✓ {html(text)}</p>'


def _attention(page: KioskPage) -> str:
    if not page.attention:
        return _calm("No problems" if page.caveat else "Nothing needs attention", page.caveat)
    github = github_repositories()
    rows = "".join(attention_row(item, page.head.now, github) for item in page.attention[:_MAX_ATTENTION])
    rest = len(page.attention) - _MAX_ATTENTION
    more = f'<p class="ph-wall-rest">{formatting.count(rest)} more</p>' if rest > 0 else ""
    return f'<div class="ph-attention" {LIST_ROLE}>{rows}{more}</div>'


def _figures(comparison: Comparison) -> str:
    written = display(comparison.current)
    cards = "".join(
        f"<div><small>{html(FIGURES[name].label)}</small><b>{html(written[name])}</b>"
        f"{_change_span(comparison, name)}</div>"
        for name in _FIGURES
    )
    return f'<div class="ph-wall-figures">{cards}</div>'


def _change_span(comparison: Comparison, name: str) -> str:
    change = comparison.change(name)
    if change is None:
        return "<span></span>"
    tone = "ph-gray" if change.is_improvement is None else "ph-green" if change.is_improvement else "ph-red"
    return f'<span class="{tone}">{html(change.text)}</span>'


def kiosk_fields(workflows: WorkflowList, *, by_workflow: bool = False) -> list[KioskField]:
    """A field for each active workflow, or for each repository if there are many workflows; worst first."""
    active = [
        (workflow, status)
        for workflow in workflows.items
        if not (status := workflows.default_branch_status(workflow.repo, workflow.workflow_id)).status.is_inactive
    ]
    if by_workflow or len(active) <= _MAX_WORKFLOWS:
        fields = [
            KioskField(
                workflow.repo,
                workflow.workflow,
                status,
                workflow.metrics.success_rate,
                workflow.metrics.runs.decided,
                workflow.workflow_id,
            )
            for workflow, status in active
        ]
    else:
        by_repo: dict[str, list[tuple[WorkflowHealth, BranchStatus]]] = {}
        for entry in active:
            by_repo.setdefault(entry[0].repo, []).append(entry)
        fields = [_repository_field(repo, entries) for repo, entries in by_repo.items()]
    # The order within a state is that of the list: by the upper bound of the success rate (list_workflows).
    return sorted(fields, key=lambda field: _rank(field.status))


def _with_handling(fields: Iterable[KioskField], page: KioskPage) -> list[KioskField]:
    """The fields with what was done about failures: only a field of one workflow has one alert."""
    handled = {
        (item.repo, item.workflow_id): handled_text(item, page.head.now, links=False).removeprefix(" · ")
        for item in page.attention
        if item.kind == "broken" and item.is_handled
    }
    return [replace(field, handled=handled.get((field.repo, field.workflow_id), "")) for field in fields]


def _repository_field(repo: str, entries: Sequence[tuple[WorkflowHealth, BranchStatus]]) -> KioskField:
    statuses = [status for _, status in entries]
    worst = min(statuses, key=_rank)
    failing = sum(_is_failing(status) for status in statuses)
    succeeded = sum(workflow.metrics.runs.success for workflow, _ in entries)
    decided = succeeded + sum(workflow.metrics.runs.failure for workflow, _ in entries)
    detail = f"{failing} of {len(entries)} failing" if failing else pluralize(len(entries), "workflow")
    return KioskField(repo, detail, worst, succeeded / decided if decided else None, decided, None)


def _is_failing(status: BranchStatus) -> bool:
    return status.status is WorkflowStatus.FAILING


def _rank(status: BranchStatus) -> int:
    return _ORDER.index(status.status) if status.status in _ORDER else len(_ORDER)


def field_grid(fields: Sequence[KioskField]) -> str:
    """The first fields, with the number of all and of the failing ones, for the line that counts those not shown."""
    if not fields:
        return ""
    # One owner needs no repetition; the name of the repository is what differs.
    owners = {field.repo.partition("/")[0] for field in fields}
    one_repo = len({field.repo for field in fields}) == 1
    shown = "".join(_field(field, with_owner=len(owners) > 1, one_repo=one_repo) for field in fields[:_MAX_FIELDS])
    failing = sum(_is_failing(field.status) for field in fields)
    # The browser writes the line and shows it if there is no space for all fields.
    return (
        f'<div class="ph-wall-fields" data-total="{len(fields)}" data-failing="{failing}">{shown}</div>'
        f'<p class="ph-wall-rest" hidden></p>'
    )


def _field(field: KioskField, *, with_owner: bool, one_repo: bool) -> str:
    colour = workflow_status_colour(field.status.status)
    sign, _, word = workflow_status_label(field.status.status, field.status.branch).partition(" ")
    decided = field.status.status in (WorkflowStatus.PASSING, WorkflowStatus.FAILING)
    owner, _, name = field.repo.partition("/")
    detail = field.detail
    if one_repo and field.workflow_id:
        # The head of the screen, or the list above, names the repository.
        name, detail = field.detail, name
    detail = _join([owner if with_owner else "", detail, "" if decided else word])
    if field.handled:
        sign += "⊘" if "silenced" in field.handled else "✓"
    done = f" · {field.handled}" if field.handled else ""
    page, query = ("workflow", [("id", field.workflow_id)]) if field.workflow_id else ("runs", [("repo", field.repo)])
    return (
        f'<a class="ph-field ph-{colour}" href="{html(address(page, query))}" target="_self" '
        f'title="{html(word)}{done}">'
        f"<b>{sign} {html(name or owner)}</b><span>{html(detail)}{done}</span>"
        f"{_rate(field)}</a>"
    )


def _rate(field: KioskField) -> str:
    """The success rate; the number of runs instead if there are few, whose rate is no estimate."""
    if field.rate is None or field.decided >= MIN_SAMPLE:
        return f"<em>{formatting.percent(field.rate)}</em>"
    return f'<em class="ph-dim">{pluralize(field.decided, "run")}</em>'


def _join(parts: Iterable[str]) -> str:
    return " · ".join(part for part in parts if part)
