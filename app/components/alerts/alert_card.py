"""One alert as a card: its title, severity, state, figures, assignee and age. Also its title in other lists."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from app.components import run_links
from app.components.run_links import Repositories
from app.widgets import cells
from app.widgets.text import html
from core import formatting
from db.enums import AlertState, DeliveryState, Severity
from db.runs.run_queries import RunRow
from health.alerts.notifications.text import SEVERITIES, headline, measurement_text, past_headline, resolved_headline
from health.alerts.rules.targets import Patterns, Silence
from health.alerts.storage.alert_queries import AlertRow

_NONE: Mapping[int, RunRow] = MappingProxyType({})
STATE_SIGNS: Mapping[str, tuple[str, str, str]] = {
    AlertState.FIRING: ("✕", "Firing", "red"),
    AlertState.ACKNOWLEDGED: ("✓", "Acknowledged", "blue"),
    AlertState.SILENCED: ("⊘", "Silenced", "gray"),
    AlertState.RESOLVED: ("✓", "Resolved", "green"),
}
# The sign and the colour of a severity, as on the Overview.
SEVERITY_SIGNS: Mapping[str, tuple[str, str]] = {
    Severity.CRITICAL: ("✕", "red"),
    Severity.WARNING: ("!", "orange"),
    Severity.INFO: ("i", "blue"),
}
DELIVERY_LABELS: Mapping[str, str] = {
    DeliveryState.SENT: "sent",
    DeliveryState.PENDING: "pending",
    DeliveryState.DEAD: "failed",
    DeliveryState.MERGED: "merged",
}


def scope_text(scope: Patterns) -> str:
    """A scope in words, such as `acme/* · workflow CI or Deploy · branch main`."""
    parts = [
        _alternatives("", scope.repos) or "all repositories",
        _alternatives("workflow ", scope.workflows),
        _alternatives("branch ", scope.branches),
    ]
    return " · ".join(part for part in parts if part)


def _alternatives(label: str, patterns: tuple[str, ...]) -> str:
    return f"{label}{' or '.join(patterns)}" if patterns else ""


def title(alert: AlertRow) -> str:
    """What fires; of a resolved alert, what fired and how it ended."""
    if alert.state != AlertState.RESOLVED:
        return headline(alert.rule, alert.alert_target)
    if alert.resolved_at is None:
        return past_headline(alert.rule, alert.alert_target)
    lasted = formatting.duration((alert.resolved_at - alert.opened_at).total_seconds())
    return resolved_headline(alert.rule, alert.alert_target, alert.detail, lasted)


def alert_card(
    alert: AlertRow,
    now: datetime,
    first_bad_runs: Mapping[int, RunRow] = _NONE,
    github: Repositories | None = None,
    silence: Silence | None = None,
) -> str:
    """`first_bad_runs`: by run ID; `github`: the repositories by name; `silence`: the active silence of the alert."""
    sign, word, colour = STATE_SIGNS[alert.state]
    if alert.state == AlertState.FIRING:
        sign, colour = SEVERITY_SIGNS.get(alert.severity, (sign, colour))
    since = _since(alert)
    parts = [figures(alert), f"Rule: {rule_name(alert)} (≥ {alert.threshold})", delivery_summary(alert)]
    details = cells.anchor(f"Alert #{alert.id}", "alerts", [("alert", alert.id)], hover="Timeline and notifications")
    facts = " · ".join([*(html(part) for part in parts if part), details])
    return (
        f'<div class="ph-alert ph-{colour}"><b aria-hidden="true">{sign}</b><div><div>{link(alert)} '
        f'<span class="ph-pill ph-{colour}">{word}</span> {severity_badge(alert.severity)}</div>'
        f'<div class="ph-why">{facts}{_first_bad_run(alert, first_bad_runs, github)}'
        f"{_acknowledged_text(alert, now)}{silence_text(alert, silence, now)}</div></div>"
        f"{_assignee(alert)}"
        f'<time title="since {formatting.timestamp(since)}; opened {formatting.timestamp(alert.opened_at)}">'
        f"{formatting.relative((now - since).total_seconds())}</time></div>"
    )


def _since(alert: AlertRow) -> datetime:
    """When the condition began, if known; otherwise when the alert opened."""
    return alert.detail.since or alert.opened_at


def _first_bad_run(alert: AlertRow, first_bad_runs: Mapping[int, RunRow], github: Repositories | None) -> str:
    run = first_bad_runs.get(alert.detail.first_bad_run or 0)
    if run is None:
        return ""
    repositories = run_links.github_repositories() if github is None else github
    return f"<br>first bad commit {run_links.commit_text(run, repositories.get(run.repo))}"


def severity_badge(severity: str) -> str:
    """The severity with its sign, as HTML."""
    sign, colour = SEVERITY_SIGNS.get(severity, ("·", "gray"))
    name = html(SEVERITIES.get(severity, severity))
    return f'<span class="ph-severity ph-{colour}"><i aria-hidden="true">{sign}</i> {name}</span>'


def _acknowledged_text(alert: AlertRow, now: datetime) -> str:
    if not alert.acknowledged_at:
        return ""
    ago = formatting.relative((now - alert.acknowledged_at).total_seconds())
    comment = f": {html(alert.acknowledged_comment)}" if alert.acknowledged_comment else ""
    by = f" by <b>{html(alert.acknowledged_by)}</b>" if alert.acknowledged_by else ""
    return f"<br>✓ Acknowledged{by} {ago}{comment}"


def silence_text(alert: AlertRow, silence: Silence | None, now: datetime) -> str:
    """Until when, and by whom, the alert is silenced, as HTML; empty if it is not."""
    if alert.state != AlertState.SILENCED or alert.silenced_until is None:
        return ""
    left = formatting.duration(max((alert.silenced_until - now).total_seconds(), 0))
    by = f" by <b>{html(silence.author)}</b>" if silence and silence.author else ""
    comment = f": {html(silence.comment)}" if silence and silence.comment else ""
    return f"<br>⊘ Silenced for {left} more{by}{comment}"


def _assignee(alert: AlertRow) -> str:
    if not alert.assignee:
        return '<span class="ph-assignee ph-dim">Unassigned</span>' if alert.state != AlertState.RESOLVED else ""
    hover = f"Alerts of {alert.assignee}"
    link_html = cells.anchor(alert.assignee, "alerts", [("assignee", alert.assignee)], hover=hover)
    return f'<span class="ph-assignee"><span class="ph-hidden">Assignee: </span>{link_html}</span>'


def link(alert: AlertRow) -> str:
    """The title, linked to the run, the workflow or the repository."""
    run_id = alert.detail.last_run or alert.detail.run_id
    if run_id:
        return cells.anchor(title(alert), "run", [("run_id", run_id)])
    if alert.workflow_id:
        return cells.anchor(title(alert), "workflow", [("id", alert.workflow_id)])
    return cells.anchor(title(alert), "", [("repo", alert.repo)])


def figures(alert: AlertRow) -> str:
    return measurement_text(alert.rule, alert.detail, alert.threshold)


def rule_name(alert: AlertRow) -> str:
    return alert.rule_name or alert.rule.replace("_", " ")


def delivery_summary(alert: AlertRow) -> str:
    """The state of the last notification of each channel."""
    last = {delivery.channel: delivery for delivery in alert.deliveries}
    if last:
        return ", ".join(f"{name} {DELIVERY_LABELS[delivery.state]}" for name, delivery in last.items())
    return "grouped" if alert.group_id and alert.group_id != alert.id else "not notified"


def until_text(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`14:30`, or `3 Dec 14:30` on another day, in the zone of the viewer."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == today.date() else formatting.format_minute(local)
