"""The ranked list of items that need attention, each with a link to its evidence."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from zlib import crc32

import streamlit as st

from app.components import run_links
from app.components.alerts.alert_card import until_text
from app.components.cause_marks import known_mark
from app.components.run_links import Repositories
from app.data.viewer import current_visibility
from app.filters import view_state
from app.session import zone
from app.widgets import cells
from app.widgets.panel import section_html
from app.widgets.text import html
from core import formatting
from db.visibility import visibility_key
from health.alerts.attention import Attention

_INITIAL_ROWS, _MAX_ROWS = 5, 100
# The section of the other rows in URLs.
SECTION = "attention"
# The time before a slowdown that the page of its workflow shows.
_BEFORE_CHANGE = timedelta(days=7)
# The last list of each selection, so that its height is known before its items are.
_MAX_LISTS = 64
_last_lists: OrderedDict[Hashable, str] = OrderedDict()
# The browser announces new items (`app/javascript/navigation/announcements.js`): a live region would be read again as a
# whole with each update.
LIST_ROLE = 'role="region" aria-label="Needs attention"'
_SIGNS = {"broken": "✕", "alert": "!", "success": "↘", "duration": "↗", "stuck": "◌", "queue": "…"}


def attention(items: Sequence[Attention], now: datetime, *, caveat: str | None = None) -> None:
    """`caveat`: why the data may be out of date or incomplete. With a caveat, an empty list does not mean all-clear."""
    st.html(attention_html(items, now, caveat=caveat, is_open=view_state.is_open(SECTION)))


def reserved_area(selection: Hashable, *, is_update: bool) -> Callable[[str], None]:
    """Reserves a place for a list that is computed after what follows it, and returns the function that shows the list.
    The place has the height of the last list of this selection in any session, else that of a full list; the first
    elements of a document wait for a list of unknown height. `is_update`: the browser shows the previous list, which
    stays until then. The list keeps its height when it changes."""
    slot = st.container(key="attention")
    if not is_update:
        slot = slot.empty()
        last = _last_lists.get(_list_key(selection))
        content = (last or _placeholder_rows()).replace(f" {LIST_ROLE}", "")
        unknown = "" if last else " ph-unknown-height"
        slot.html(f'<div class="ph-reserved{unknown}" aria-hidden="true">{content}</div>')

    mark = f"{crc32(repr(selection).encode(errors='replace')):x}"

    def show(content: str) -> None:
        slot.html(content.replace('class="ph-attention"', f'class="ph-attention" data-selection="{mark}"', 1))
        remember_list(selection, content)

    return show


def remember_list(selection: Hashable, content: str) -> None:
    """`content`: what `attention_html` returned for the selection."""
    key = _list_key(selection)
    _last_lists[key] = content
    _last_lists.move_to_end(key)
    while len(_last_lists) > _MAX_LISTS:
        _last_lists.popitem(last=False)


def _list_key(selection: Hashable) -> Hashable:
    """Lists are shared by users who may see the same repositories."""
    return visibility_key(current_visibility()), selection


def _placeholder_rows() -> str:
    row = '<div class="ph-need"><b class="ph-sign">·</b><div>·<div class="ph-why">·</div></div><time>·</time></div>'
    return f'<div class="ph-attention">{row * _INITIAL_ROWS}</div>'


def attention_html(
    items: Sequence[Attention], now: datetime, *, caveat: str | None = None, is_open: bool = False
) -> str:
    """`is_open`: whether the rows after the first ones are shown."""
    if not items:
        message = "<b>✓ Nothing needs attention</b><span>No failing branches, regressions or stuck runs.</span>"
        if caveat:
            message = f"<span>No problems in the stored data, which may be incomplete. {html(caveat)}</span>"
        return f'<div class="ph-attention"><div class="ph-calm">{message}</div></div>'
    github = run_links.github_repositories()
    rows = [attention_row(item, now, github) for item in items[:_MAX_ROWS]]
    rest = "".join(rows[_INITIAL_ROWS:]) + _more_note(len(items) - len(rows))
    summary = f"{formatting.count(len(items) - _INITIAL_ROWS)} more"
    more = section_html(SECTION, summary, rest, is_open=is_open) if rest else ""
    return f'<div class="ph-attention" {LIST_ROLE}>{"".join(rows[:_INITIAL_ROWS])}{more}</div>'


def _more_note(number: int) -> str:
    if not number:
        return ""
    text = f"{formatting.count(number)} more with lower priority; use the filters to narrow the list"
    return f'<div class="ph-need ph-dim"><b class="ph-sign"></b><div>{text}</div></div>'


def attention_row(item: Attention, now: datetime, github: Repositories) -> str:
    ago = formatting.relative((now - item.since).total_seconds())
    tone = "dim" if item.is_handled else item.tone
    sign = "⊘" if item.silenced else "✓" if item.acknowledged else _SIGNS.get(item.kind, "·")
    return (
        f'<div class="ph-need ph-{tone}"><b class="ph-sign" aria-hidden="true">{sign}</b>'
        f'<div>{_link(item)}<div class="ph-why">{html(item.why)}{_commit(item, github)}{_known_text(item)}'
        f"{handled_text(item, now)}</div></div>"
        f'<time title="{formatting.timestamp(item.since)}">{ago}</time></div>'
    )


def _link(item: Attention) -> str:
    if item.kind == "alert":
        return cells.anchor(item.headline, "alerts", [("alert", item.alert_id)])
    if item.kind == "duration" and item.workflow_id:
        # The page of the workflow shows the jobs before and after the change.
        query = [("id", item.workflow_id), *run_links.time_query(item.since - _BEFORE_CHANGE)]
        return cells.anchor(item.headline, "workflow", query)
    if item.run_id:
        return cells.anchor(item.headline, "run", [("run_id", item.run_id)])
    return cells.anchor(item.headline, "cost")


def _known_text(item: Attention) -> str:
    """The mark of the cause of the last failure, as HTML."""
    if item.known is None:
        return ""
    return f' · <span title="{html(item.known.line)}">{known_mark(item.known.triage, zone())}</span>'


def handled_text(item: Attention, now: datetime, *, links: bool = True) -> str:
    """Who acknowledged and who silenced the alert of the item, as HTML; empty if nobody did. `links`: with links to the
    alert."""
    alert_id, parts = item.alert_id if links else None, []
    if item.acknowledged:
        parts.append(_by("acknowledged", item.acknowledged.by, item.acknowledged.comment, alert_id))
    if item.silenced:
        state = f"silenced until {until_text(item.silenced.until, now, zone())}"
        parts.append(_by(state, item.silenced.by, item.silenced.comment, alert_id))
    return "".join(f" · {part}" for part in parts)


def _by(state: str, name: str, comment: str, alert_id: int | None) -> str:
    shown = cells.anchor(state, "alerts", [("alert", alert_id)]) if alert_id else html(state)
    return f"{shown}{f' by {html(name)}' if name else ''}{f': {html(comment)}' if comment else ''}"


def _commit(item: Attention, github: Repositories) -> str:
    if item.first is None or item.kind == "stuck":
        return ""
    words = {"broken": "first bad commit", "duration": "first slow run"}.get(item.kind, "first failure")
    return f" · {words} {run_links.commit_text(item.first, github.get(item.first.repo))}"
