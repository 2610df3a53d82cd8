"""The table of audit events: who changed what, from what to what."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.routes import NAMES
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row
from app.widgets.text import html
from core import formatting
from core.formatting import NO_DATA
from db.audit import AuditRow
from db.enums import AuditAction, AuditSubject, Origin

ACTIONS: dict[str, str] = {
    action: action.value.replace("unacknowledged", "acknowledgement taken back") for action in AuditAction
}
SUBJECTS: dict[str, str] = {
    AuditSubject.ALERT: "Alert",
    AuditSubject.ALERT_RULE: "Alert rule",
    AuditSubject.SILENCE: "Silence",
    AuditSubject.CHANNEL: "Channel",
    AuditSubject.TEAM: "Team",
    AuditSubject.API_KEY: "API key",
    AuditSubject.CAUSE_RULE: "Cause rule",
    AuditSubject.CAUSE_TRIAGE: "Known cause",
    AuditSubject.SAVED_VIEW: "Saved view",
    AuditSubject.SETTING: "Setting",
    AuditSubject.DIGEST: "Digest",
}
ORIGINS: dict[str, str] = {
    Origin.DASHBOARD: "Dashboard",
    Origin.API: "API",
    Origin.COMMAND: "Command",
    Origin.FILE: "Configuration file",
}
_KINDS = {"user": "", "api_key": "API key", "anonymous": "no login", "system": "system"}
_FIELDS = {
    "open_at": "trigger at", "close_at": "resolve below", "per": "scope", "repos": "repositories", "kind": "type",
    "is_expression": "regular expression", "window_seconds": "window (s)", "repeat_seconds": "repeat interval (s)",
}  # fmt: skip
COLUMNS = (
    Column("Time", unit="UTC"),
    Column("Actor", width="17%"),
    Column("Way", show="desk_only"),
    Column("Action"),
    Column("Subject", width="22%"),
    Column("Kind", show="off"),
    Column("Changes", fluid=True),
)
# Fields that are shown at once; the others are in a section that the user opens.
_MAX_SHOWN = 4
_Change = tuple[str, str | None, str | None]


def event_rows(events: Sequence[AuditRow], zone: ZoneInfo) -> list[Row]:
    return [
        (
            _moment(event.at, zone),
            _actor(event),
            cells.text(ORIGINS.get(event.origin, event.origin)),
            cells.text(ACTIONS.get(event.action, event.action)),
            _subject(event),
            cells.text(_kind(event)),
            _changes(event, zone),
        )
        for event in events
    ]


def _moment(moment: datetime, zone: ZoneInfo) -> Cell:
    """With the year, because events are kept for years."""
    shown = f"{moment.astimezone(zone):%d %b %Y, %H:%M}"
    return Cell(f'<time title="{formatting.timestamp(moment)}">{shown}</time>', moment.isoformat())


def _actor(event: AuditRow) -> Cell:
    kind = _KINDS.get(event.actor_kind, event.actor_kind)
    link = cells.anchor(event.actor, "audit", [("who", event.actor)], hover="Changes by this actor")
    note = f"<small>{html(kind)}</small>" if kind else ""
    return Cell(f'<span class="ph-two">{link}{note}</span>', event.actor)


def _kind(event: AuditRow) -> str:
    return SUBJECTS.get(event.subject_kind, event.subject_kind)


def _subject(event: AuditRow) -> Cell:
    page = _page(event)
    name = event.subject_name or event.subject_id
    label = cells.anchor(name, *page) if page else html(name)
    history = [("kind", event.subject_kind), ("subject", event.subject_id)]
    trail = cells.anchor(f"{_kind(event)} {_short(event.subject_id)}", "audit", history, hover="All changes of it")
    return Cell(f'<span class="ph-two">{label}<small>{trail}</small></span>', name)


def _short(subject_id: str) -> str:
    return f"#{subject_id}" if subject_id.isdigit() else ""


def _page(event: AuditRow) -> tuple[str, list[tuple[str, object]]] | None:
    """The page of the subject; null if it has none or was deleted."""
    if event.action == AuditAction.DELETED:
        return None
    pages: dict[str, tuple[str, list[tuple[str, object]]]] = {
        AuditSubject.ALERT: ("alerts", [("alert", event.subject_id)]),
        AuditSubject.ALERT_RULE: ("alerts", [("rule", event.subject_id)]),
        AuditSubject.SILENCE: ("alerts", []),
        AuditSubject.CAUSE_TRIAGE: ("failures", [("cause", event.subject_id)]),
        AuditSubject.CAUSE_RULE: ("failures", []),
        AuditSubject.TEAM: ("teams", []),
        AuditSubject.CHANNEL: ("channels", []),
    }
    page = pages.get(event.subject_kind)
    return page if page and page[0] in NAMES else None


def _changes(event: AuditRow, zone: ZoneInfo) -> Cell:
    changes = change_list(event, zone)
    if not changes:
        return Cell(NO_DATA, None)
    items = [f"<li>{_change_html(change)}</li>" for change in changes]
    content = f'<ul class="ph-changes">{"".join(items[:_MAX_SHOWN])}</ul>'
    if len(items) > _MAX_SHOWN:
        more = len(items) - _MAX_SHOWN
        content += f'<details class="ph-changes-more"><summary>{more} more</summary><ul class="ph-changes">'
        content += f"{''.join(items[_MAX_SHOWN:])}</ul></details>"
    return Cell(content, "; ".join(map(_change_text, changes)))


def change_list(event: AuditRow, zone: ZoneInfo) -> list[_Change]:
    """The fields, each with its values before and after; null where the subject did not exist. Of a subject that was
    created or deleted, only fields with a value."""
    before, after = _flat(event.before), _flat(event.after)
    names = list(dict.fromkeys([*(before or {}), *(after or {})]))
    changes: list[_Change] = []
    for name in names:
        old = None if before is None else _value(before.get(name), zone)
        new = None if after is None else _value(after.get(name), zone)
        is_empty = (before is None or after is None) and (old or new) in (None, NO_DATA)
        # Fields of a part that did not change.
        if is_empty or old == new:
            continue
        changes.append((_FIELDS.get(name, name.replace("_", " ")), old, new))
    return changes


def _flat(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """The fields, with those of a part such as the settings of a channel one by one."""
    if fields is None:
        return None
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        parts = {f"{name}: {key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        flat.update(parts)
    return flat


def _value(value: Any, zone: ZoneInfo) -> str:
    if value is None or value == "" or value in ([], {}):
        return NO_DATA
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_value(item, zone) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:g}"
    return _time(value, zone) if isinstance(value, str) else str(value)


def _time(text: str, zone: ZoneInfo) -> str:
    """A time in the zone of the viewer; other texts as they are."""
    if len(text) < 20 or text[10:11] != "T":
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(zone):%d %b %Y, %H:%M}" if moment.tzinfo else text


def _change_html(change: _Change) -> str:
    name, old, new = change
    label = f"<b>{html(name)}</b> "
    if old is None:
        return f"{label}{html(new)}"
    if new is None:
        return f"{label}<del>{html(old)}</del>"
    arrow = '<span class="ph-hidden">to</span><i aria-hidden="true">→</i>'
    return f"{label}<del>{html(old)}</del> {arrow} <ins>{html(new)}</ins>"


def _change_text(change: _Change) -> str:
    name, old, new = change
    if old is None or new is None:
        return f"{name}: {old if new is None else new}"
    return f"{name}: {old} → {new}"
