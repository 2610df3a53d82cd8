"""Renders notifications: Message objects from alert changes and their evidence. Pure.

Everything that is merged or summarised later (digests) is data in `Message.data`; no function here reads rendered text.
Text is plain: each channel escapes it for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from core import formatting
from db.enums import RuleKind, Severity
from db.runs.run_queries import RunRow
from health.alerts.channels.base import Message, NotificationEvent
from health.alerts.notifications import text
from health.alerts.notifications.evidence import NO_EVIDENCE, AlertChange, Evidence
from health.alerts.notifications.payload import alert_data, digest_data, message_data, short_commit
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.transitions import Reason
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.outbox import ClaimedNotification, SupersededNotification
from health.alerts.storage.outbox_plan import DIGEST
from health.insights.causes.triage import Triage
from health.metrics.definitions.catalogue import FIGURES, display
from health.metrics.definitions.formulas import Metrics

# Targets in one group message, and alerts in one digest. The API lists all; each channel has limits of its own.
MAX_LISTED, _MAX_IN_DIGEST = 15, 60
_MAX_ERROR_LENGTH = 150
# A notification that is sent later than this names its time: readers may know its news already.
_LATE = timedelta(minutes=10)
_FIGURES = ("success_rate", "success_duration_p50", "recovery_p50")
_EVENTS: dict[str, NotificationEvent] = {
    Reason.FIRST: NotificationEvent.FIRING,
    Reason.REPEAT: NotificationEvent.STILL_FIRING,
    Reason.RESOLVED: NotificationEvent.RESOLVED,
}
_OTHER_EVENTS = {DIGEST: NotificationEvent.DIGEST}
_SEVERITY_ORDER = tuple(Severity)
Field = tuple[str, str]


@dataclass(frozen=True)
class MessageContext:
    """`figures` from the last 30 days; `window_metrics` those of the window of a built-in rule, where it resolved.
    `episode_count`: how often the alert opened in the last 30 days, including this time."""

    figures: Metrics
    app_url: str
    now: datetime
    evidence: Evidence = NO_EVIDENCE
    episode_count: int = 1
    window_metrics: Metrics | None = None


def alert_message(change: AlertChange, context: MessageContext) -> Message:
    """The notification about one alert that fires, still fires or resolved."""
    resolved = change.reason is Reason.RESOLVED
    message = _resolved_message(change, context) if resolved else _firing_message(change, context)
    data = alert_data(
        change.alert_id,
        change.rule,
        change.target,
        change.latest_detail,
        context.evidence,
        context.app_url,
        episode_count=context.episode_count,
        figures=context.figures,
        resolving_run=change.resolving_run,
        resolved_at=context.now if resolved else None,
    )
    commit = context.evidence.first if change.rule.kind is RuleKind.CONSECUTIVE_FAILURES else None
    digest = digest_data(context.app_url, commit, context.evidence.error_line, context.evidence.known)
    return replace(message, data=message_data(change.rule, [data], digest))


def group_message(
    changes: Sequence[AlertChange],
    evidence: Mapping[int, Evidence],
    error_line: str | None,
    app_url: str,
    now: datetime,
) -> Message:
    """One notification about several alerts of one rule and reason. `evidence` is by alert id; `error_line` is the one
    that all of them share."""
    rule, resolved = changes[0].rule, changes[0].reason is Reason.RESOLVED
    common = evidence[changes[0].alert_id].known if error_line else None
    lines = [
        _target_line(rule, change.target)
        if resolved
        else _target_line(rule, change.target, change.detail, evidence[change.alert_id], with_mark=error_line is None)
        for change in changes
    ]
    alerts = [
        alert_data(
            change.alert_id,
            rule,
            change.target,
            change.latest_detail,
            evidence[change.alert_id],
            app_url,
            resolving_run=change.resolving_run,
            resolved_at=now if resolved else None,
        )
        for change in changes
    ]
    data = message_data(rule, alerts, digest_data(app_url, None, error_line, common))
    cause = (error_line, common) if error_line else None
    return replace(_list_message(rule, changes[0].reason, lines, cause, app_url, now), data=data)


def group_resolved_message(rule: Rule, alerts: Sequence[AlertRow], app_url: str, now: datetime) -> Message:
    """One notification about the end of alerts that were notified in one message."""
    lines = [_target_line(rule, row.alert_target) for row in alerts]
    data = [
        alert_data(row.id, rule, row.alert_target, row.detail, NO_EVIDENCE, app_url, resolved_at=row.resolved_at or now)
        for row in alerts
    ]
    message = _list_message(rule, Reason.RESOLVED, lines, None, app_url, now)
    return replace(message, data=message_data(rule, data, digest_data(app_url, None, None)))


def notification_event(claimed: ClaimedNotification) -> NotificationEvent:
    """The event for programs. A repeat into which its first notification was merged is the first that is sent."""
    if claimed.reason == Reason.REPEAT and any(row.reason == Reason.FIRST for row in claimed.superseded):
        return NotificationEvent.FIRING
    return _EVENTS.get(claimed.reason) or _OTHER_EVENTS.get(claimed.reason, NotificationEvent.TEST)


def delivery_message(claimed: ClaimedNotification, now: datetime) -> Message:
    """The message to send for a claimed notification, including what was merged into it while it was pending."""
    message = Message.from_dict(claimed.message)
    if claimed.reason == Reason.RESOLVED:
        own = SupersededNotification(claimed.id, claimed.reason, claimed.message, claimed.alert_ids)
        ends = [*(row for row in claimed.superseded if row.reason == Reason.RESOLVED), own]
        episodes = [_episode_message(end, claimed.superseded) for end in ends]
        message = episodes[0] if len(episodes) == 1 else _digest_message(episodes)
    delay = now - claimed.created_at
    if claimed.reason in _EVENTS and delay >= _LATE:
        created = formatting.timestamp(claimed.created_at)
        late = f"{created}; delivered {formatting.duration(delay.total_seconds())} late"
        message = replace(message, fields=(*message.fields, ("Created", late)))
    return message


def _episode_message(end: SupersededNotification, superseded: Sequence[SupersededNotification]) -> Message:
    """The resolution as it was written where the first notification was sent; otherwise with the content of that
    one."""
    message = Message.from_dict(end.message)
    firsts = [
        Message.from_dict(row.message)
        for row in superseded
        if row.reason == Reason.FIRST and row.alert_ids <= end.alert_ids
    ]
    if not firsts:
        return message
    summary = message.episode_summary or message.headline
    labels = {label for label, _ in message.fields}
    first = firsts[0] if len(firsts) == 1 else Message("", "")
    data = _merge_data(message.data, [row.data for row in firsts])
    return replace(
        message,
        subject=summary,
        headline=summary,
        fields=(*(pair for pair in first.fields if pair[0] not in labels), *message.fields),
        lines=first.lines or message.lines,
        links=tuple({**dict(message.links), **dict(first.links)}.items()) if first.links else message.links,
        data={**data, "digest": first.data.get("digest") or message.data.get("digest")},
    )


def _merge_data(end: Mapping[str, Any], firsts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The data of a resolution; values that it lacks come from the first notifications."""
    before = {alert.get("id"): alert for data in firsts for alert in data.get("alerts") or ()}
    alerts = [
        {**before.get(alert.get("id"), {}), **{name: value for name, value in alert.items() if value is not None}}
        for alert in end.get("alerts") or ()
    ]
    return {**end, "alerts": alerts}


def _digest_message(episodes: Sequence[Message]) -> Message:
    """One message about several alerts that opened and resolved while the channel failed."""
    number = len(episodes)
    lines = [f"• {episode.headline}{_cause_suffix(episode.data)}" for episode in episodes[:_MAX_IN_DIGEST]]
    more = (f"and {number - _MAX_IN_DIGEST} more",) if number > _MAX_IN_DIGEST else ()
    headline = f"{number} alerts opened and resolved while notifications could not be sent"
    severities = [episode.data.get("severity") for episode in episodes]
    urls = [url for episode in episodes if (url := (episode.data.get("digest") or {}).get("alerts_url"))]
    return Message(
        subject=headline,
        headline=headline,
        lines=(*lines, *more),
        links=(("Alerts", urls[0]),) if urls else (),
        resolved=True,
        data={
            "severity": next((str(severity) for severity in _SEVERITY_ORDER if severity in severities), None),
            "rule": None,
            "alerts": [alert for episode in episodes for alert in episode.data.get("alerts") or ()],
        },
    )


def _cause_suffix(data: Mapping[str, Any]) -> str:
    """First bad commit and error line of an episode, in brackets. Messages of versions before `digest` have them only
    in the data of their alert."""
    digest: Mapping[str, Any] | None = data.get("digest")
    alerts: Sequence[Mapping[str, Any]] = data.get("alerts") or ()
    if digest:
        commit, error = digest.get("first_bad_commit"), digest.get("error_line")
        known = digest.get("known")
    elif len(alerts) == 1:
        commit = ((alerts[0].get("first_bad_commit") or {}).get("sha") or "")[:7]
        error, known = alerts[0].get("error_line"), None
    else:
        return ""
    parts = (f"since {commit}" if commit else "", (error or "")[:_MAX_ERROR_LENGTH], (known or "")[:_MAX_ERROR_LENGTH])
    cause = "; ".join(part for part in parts if part)
    return f" ({cause})" if cause else ""


def _firing_message(change: AlertChange, context: MessageContext) -> Message:
    ongoing = change.reason is Reason.REPEAT
    measurement, rule, target = change.measurement, change.rule, change.target
    subject = text.short_headline(rule.kind, target, ongoing=ongoing)
    if measurement and measurement.streak:
        number = text.failures_text(measurement.streak.length)
        since = _since(measurement.streak.since, context.now)
        fields: tuple[Field, ...] = (("Failing since", since), ("In a row", number))
        subject += f": {number}"
    else:
        detail = change.detail or AlertDetail()
        measured = text.measurement_text(rule.kind, detail, rule.threshold)
        fields = (("Measured", measured or formatting.NO_DATA),)
        fields += (("Since", _since(detail.since, context.now)),) if detail.since else ()
        subject += _rate_suffix(rule, detail)
    return Message(
        subject=f"[{target.repo}] {subject}",
        headline=text.headline(rule.kind, target, ongoing=ongoing),
        fields=(*fields, *_evidence_fields(context.evidence), *_background_fields(rule, context)),
        links=_links(change, context),
    )


def _rate_suffix(rule: Rule, detail: AlertDetail) -> str:
    """The failure rate at the end of a subject line."""
    return f", {formatting.percent(detail.value)}" if rule.kind is RuleKind.FAILURE_RATE else ""


def _resolved_message(change: AlertChange, context: MessageContext) -> Message:
    rule, target, run = change.rule, change.target, change.resolving_run
    end, label = context.now, "Duration"
    detail = _resolved_detail(change, context)
    subject = text.short_headline(rule.kind, target, resolved=True)
    if run and rule.kind is RuleKind.CONSECUTIVE_FAILURES:
        end, label = run.completed_at or context.now, "Was failing for"
        fields: tuple[Field, ...] = (("Fixed by", _commit(run)),)
    else:
        measured = text.measurement_text(rule.kind, detail, rule.threshold) if detail.value is not None else ""
        fields = (*((("Measured now", measured),) if measured else ()), ("Rule", rule.name))
        subject += _rate_suffix(rule, detail) if measured else ""
    lasted = formatting.duration((end - change.condition_since).total_seconds())
    return Message(
        subject=f"[{target.repo}] {subject}",
        headline=text.headline(rule.kind, target, resolved=True),
        fields=((label, lasted), *fields, *_figure_fields(context.figures)),
        links=_links(change, context),
        resolved=True,
        episode_summary=text.past_headline(rule.kind, target, lasted),
    )


def _resolved_detail(change: AlertChange, context: MessageContext) -> AlertDetail:
    """The measurement at the end; of a built-in failure rate from the figures of its window, which are always known."""
    metrics = context.window_metrics
    if metrics is None:
        return change.detail or AlertDetail()
    return AlertDetail(
        window_seconds=change.rule.effective_window,
        value=metrics.failure_rate,
        failed=metrics.runs.failure,
        decided=metrics.runs.success + metrics.runs.failure,
    )


def _list_message(
    rule: Rule,
    reason: Reason,
    lines: Sequence[str],
    cause: tuple[str, Triage | None] | None,
    app_url: str,
    now: datetime,
) -> Message:
    """`cause`: the common error line and its mark."""
    resolved, number = reason is Reason.RESOLVED, len(lines)
    state = "resolved" if resolved else "still firing" if reason is Reason.REPEAT else "firing"
    more = (f"and {number - MAX_LISTED} more",) if number > MAX_LISTED else ()
    title = f"{number} alerts {state}: {rule.name}"
    return Message(
        subject=title,
        headline=title,
        fields=(
            *(_cause_fields("Common cause", *cause) if cause else ()),
            ("Rule", f"{rule.rule_type.label} ≥ {rule.threshold}"),
            ("Time", formatting.timestamp(now)),
        ),
        lines=(*lines[:MAX_LISTED], *more),
        links=(("Alerts", f"{app_url.rstrip('/')}/alerts"),),
        resolved=resolved,
        episode_summary=f"{number} alerts opened and resolved: {rule.name}" if resolved else "",
    )


def _target_line(
    rule: Rule,
    target: AlertTarget,
    detail: AlertDetail | None = None,
    evidence: Evidence = NO_EVIDENCE,
    *,
    with_mark: bool = False,
) -> str:
    """One target of a list: its measurement, the run with which the condition began, and the mark of a known cause."""
    known = evidence.known.text if evidence.known and with_mark else ""
    measured = text.measurement_text(rule.kind, detail, rule.threshold) if detail else ""
    began = f"{evidence.label.lower()} {short_commit(evidence.first)}" if evidence.first else ""
    described = ", ".join(part for part in (measured, began, known) if part)
    return f"• {target.label}: {described}" if described else f"• {target.label}"


def _evidence_fields(evidence: Evidence) -> tuple[Field, ...]:
    """The run with which the condition began, and the error of the newest failure."""
    runs = ((evidence.label, _commit(evidence.first)),) if evidence.first else ()
    if not evidence.error_line:
        return runs
    newest = evidence.last if evidence.first and evidence.last != evidence.first else None
    label = "Error" if newest is None else f"Error of run {newest.run_number:,}"
    return (*runs, *_cause_fields(label, evidence.error_line, evidence.known))


def _cause_fields(label: str, error_line: str, known: Triage | None) -> tuple[Field, ...]:
    """The error line, and beside it the mark of a known cause: channels cut long values."""
    if known is None:
        return ((label, error_line),)
    until = f", until {formatting.timestamp(known.until)}" if known.until else ""
    comment = f": {' '.join(known.comment.split())[:_MAX_ERROR_LENGTH]}" if known.comment else ""
    return (label, error_line), ("Cause", f"{known.full_text}{until}{comment}")


def _background_fields(rule: Rule, context: MessageContext) -> tuple[Field, ...]:
    """The rule, how often it fired for this target, and the figures."""
    count = context.episode_count
    return (
        ("Rule", f"{rule.name}: {rule.rule_type.label.lower()} ≥ {rule.threshold}"),
        ("Occurrences", "first in 30 days" if count <= 1 else f"{formatting.count(count)} in 30 days"),
        *_figure_fields(context.figures),
    )


def _figure_fields(figures: Metrics) -> tuple[Field, ...]:
    """The same strings that UI and API show for this workflow and the last 30 days."""
    values = display(figures)
    return tuple((f"{FIGURES[name].label}, 30 days", values[name]) for name in _FIGURES)


def _commit(run: RunRow) -> str:
    return f"{short_commit(run)}: {run.headline[:150]}"


def _since(moment: datetime, now: datetime) -> str:
    """An absolute time with the duration until now. Not "ago", because a message is also read later."""
    return f"{formatting.timestamp(moment)} (for {formatting.duration(max((now - moment).total_seconds(), 0))})"


def _links(change: AlertChange, context: MessageContext) -> tuple[Field, ...]:
    """The newest run in the dashboard and on GitHub, the alert, and the repository."""
    run, base = context.evidence.last, context.app_url.rstrip("/")
    runs = (("Open the run", f"{base}/run?{urlencode({'run_id': run.id})}"), ("GitHub", run.html_url)) if run else ()
    return (
        *runs,
        ("Alert", f"{base}/alerts?{urlencode({'alert': change.alert_id})}"),
        ("Dashboard", f"{base}/?{urlencode({'repo': change.target.repo})}"),
    )
