"""What stands behind an alert besides its figures: the runs to look at, and the error they ended with.

What a message says, for programs: the `alerts` of the webhook's body (docs/alerts.md). Pure.

What a message says. Pure: plain text, which each channel escapes for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from core import formatting
from db.definitions.scope import Scope, Window
from db.enums import RuleKind
from db.logs.log_queries import failure_cause
from db.runs.run_queries import RunRow, first_and_last_failure, list_runs, list_runs_with_ids
from health.alerts.channels.base import Message
from health.alerts.measurement.measurements import RuleMeasurement
from health.alerts.notifications import text
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.transitions import Reason
from health.insights.finding_queries import list_flaky_runs
from health.metrics.definitions.catalogue import FIGURES, display
from health.metrics.definitions.formulas import Metrics
from health.metrics.service import Streak

EVIDENCE_WINDOW = timedelta(days=30)
_SECOND = timedelta(seconds=1)
_FIRST_LABELS = {RuleKind.STUCK_RUN: "Stuck run", RuleKind.DURATION_REGRESSION: "First slow run"}
# What a rule without a window of its own looks back on.
_LOOKBACK = {RuleKind.SUCCESS_REGRESSION: timedelta(days=7)}


@dataclass(frozen=True)
class Evidence:
    """`first` is where it began, and `label` says what that is; `last` the newest run of the kind, `cause` the
    fingerprint that its error has elsewhere. What is not known is null."""

    label: str = ""
    first: RunRow | None = None
    last: RunRow | None = None
    error_line: str | None = None
    cause: str | None = None


NO_EVIDENCE = Evidence()


def find_evidence(
    session: Session, rule: Rule, target: AlertTarget, measurement: RuleMeasurement | None, now: datetime
) -> Evidence:
    if measurement and measurement.streak:
        return _failed_runs(session, "First bad commit", measurement.streak.first_failure, measurement.streak.runs[-1])
    if rule.kind in _FIRST_LABELS:
        run = measurement.run if measurement else None
        return Evidence(_FIRST_LABELS[rule.kind], run, run)
    scope = scope_of(target)
    window = Window(
        now - (timedelta(seconds=rule.effective_window) or _LOOKBACK.get(rule.kind, EVIDENCE_WINDOW)), now + _SECOND
    )
    if rule.kind in (RuleKind.FAILURE_RATE, RuleKind.ERROR_BUDGET, RuleKind.SUCCESS_REGRESSION):
        found = first_and_last_failure(session, scope, window)
        return _failed_runs(session, "First failed run", *found) if found else NO_EVIDENCE
    if rule.kind is RuleKind.FLAKY_RATE:
        flaky = list_flaky_runs(session, scope, window, limit=1)
        run = next(iter(list_runs_with_ids(session, [each.id for each in flaky])), None)
        return Evidence("Latest flaky run", run, run)
    newest = list_runs(session, scope, Window(now - EVIDENCE_WINDOW, now + _SECOND), limit=1).items
    return Evidence("Latest run", None, newest[0] if newest else None)


def scope_of(target: AlertTarget) -> Scope:
    return Scope(
        repos=(target.repo,),
        workflows=(str(target.workflow_id),) if target.workflow_id else (),
        branches=(target.branch,) if target.branch else (),
        own_branches=target.branch is not None,
    )


def _failed_runs(session: Session, label: str, first: RunRow, last: RunRow) -> Evidence:
    error_line, cause = failure_cause(session, last.id, last.attempt)
    return Evidence(label, first, last, error_line, cause)


def message_data(rule: Rule, alerts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "severity": str(rule.severity),
        "rule": {
            "id": rule.id, "name": rule.name, "kind": str(rule.kind), "label": rule.rule_type.label,
            "threshold": rule.threshold,
        },
        "alerts": [dict(alert) for alert in alerts],
    }  # fmt: skip


def alert_data(  # noqa: PLR0913 - what is known of it
    alert_id: int, rule: Rule, target: AlertTarget, detail: Mapping[str, Any], evidence: Evidence, app_url: str,
    *, episode_count: int | None = None, figures: Metrics | None = None, resolving_run: RunRow | None = None,
    resolved_at: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    since = text.condition_since(detail)
    return {
        "id": alert_id,
        "url": f"{app_url.rstrip('/')}/alerts?{urlencode({'alert': alert_id})}",
        "repo": target.repo,
        "workflow": target.workflow,
        "branch": target.branch,
        "since": _stamp(since) if since else None,
        "resolved_at": _stamp(resolved_at) if resolved_at else None,
        "measured": text.measurement_text(rule.kind, detail) or None,
        "detail": dict(detail),
        "opened_in_30_days": episode_count,
        "first_bad_commit": _run_data(evidence.first),
        "last_run": _run_data(evidence.last),
        "error_line": evidence.error_line,
        "fixed_by": _run_data(resolving_run),
        "figures_30_days": _metrics_data(figures) if figures else None,
    }


def _run_data(run: RunRow | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "sha": run.head_sha, "author": run.commit_author, "title": run.headline, "started_by": run.actor,
        "rerun_by": run.rerun_by, "run_id": run.id, "attempt": run.attempt, "conclusion": run.conclusion,
        "branch": run.branch, "url": run.html_url,
    }  # fmt: skip


def _metrics_data(found: Metrics) -> dict[str, Any]:
    return {
        "runs": found.runs.total,
        "success_rate": found.success_rate,
        "failure_rate": found.failure_rate,
        "duration_p50_seconds": found.duration_seconds.p50,
        "duration_p95_seconds": found.duration_seconds.p95,
        "queue_p95_seconds": found.queue_seconds.p95,
        "recovery_p50_seconds": found.recovery_seconds.p50,
        "flaky_runs": found.flaky_runs,
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# Places that one message names.
MAX_LISTED = 15
_FIGURES = ("success_rate", "success_duration_p50", "recovery_p50")
Field = tuple[str, str]


@dataclass(frozen=True)
class MessageContext:
    """What stands beside the news: the rule, figures of the last 30 days, the runs to look at, and where to click.
    `times`: how often it opened in the last 30 days, this time included."""

    rule: Rule
    figures: Metrics
    app_url: str
    now: datetime
    alert_id: int | None = None
    evidence: Evidence = NO_EVIDENCE
    episode_count: int = 1


def branch_broken(streak: Streak, context: MessageContext, *, ongoing: bool = False) -> Message:
    place = f"{streak.workflow} on {streak.branch} of {streak.repo}"
    state = "is still broken" if ongoing else "is broken"
    return Message(
        subject=f"[{streak.repo}] {streak.workflow} {state} on {streak.branch}: {text.failures_text(streak.length)}",
        headline=f"{place} {state}",
        fields=(
            ("Failing since", _since(streak.since, context.now)),
            ("In a row", text.failures_text(streak.length)),
            *_evidence_fields(context),
            *_background_fields(context),
        ),
        links=_links(context, streak.repo),
    )


def branch_recovered(target: AlertTarget, since: datetime, run: RunRow, context: MessageContext) -> Message:
    lasted = formatting.duration(((run.completed_at or context.now) - since).total_seconds())
    return Message(
        subject=f"[{target.repo}] {run.workflow} recovered on {target.branch or run.branch}",
        headline=text.headline(context.rule.kind, target, {}, resolved=True),
        fields=(("Was broken for", lasted), ("Fixed by", _commit(run)), *_figures_compose(context)),
        links=_links(context, target.repo),
        resolved=True,
        episode_summary=text.episode_summary(context.rule.kind, target, lasted),
    )


def rate_high(target: AlertTarget, last_day: Metrics, context: MessageContext, *, ongoing: bool = False) -> Message:
    rate, branch = formatting.percent(last_day.failure_rate), target.branch or ""
    decided = last_day.runs.success + last_day.runs.failure
    goes_on = "still " if ongoing else ""
    return Message(
        subject=f"[{target.repo}] {rate} of the runs on {branch} {goes_on}fail",
        headline=f"{rate} of the runs on {branch} of {target.repo} {goes_on}failed in the last 24 hours",
        fields=(
            ("Failed", f"{formatting.count(last_day.runs.failure)} of {text.decided_runs_text(decided)}"),
            *_evidence_fields(context),
            *_background_fields(context),
        ),
        links=_links(context, target.repo),
    )


def rate_normal(target: AlertTarget, since: datetime, last_day: Metrics, context: MessageContext) -> Message:
    rate, branch = formatting.percent(last_day.failure_rate), target.branch or ""
    lasted = formatting.duration((context.now - since).total_seconds())
    return Message(
        subject=f"[{target.repo}] Failure rate on {branch} is back to normal: {rate}",
        headline=f"The failure rate on {branch} of {target.repo} is back to {rate}",
        fields=(("Lasted", lasted), *_figures_compose(context)),
        links=_links(context, target.repo),
        resolved=True,
        episode_summary=text.episode_summary(context.rule.kind, target, lasted),
    )


def rule_firing(
    target: AlertTarget, detail: Mapping[str, Any], context: MessageContext, *, ongoing: bool = False
) -> Message:
    """For the kinds of rules without a message of their own."""
    headline = text.headline(context.rule.kind, target, detail, ongoing=ongoing)
    since = text.condition_since(detail)
    return Message(
        subject=f"[{target.repo}] {headline}",
        headline=headline,
        fields=(
            ("Measured", text.measurement_text(context.rule.kind, detail) or "–"),
            *((("Since", _since(since, context.now)),) if since else ()),
            *_evidence_fields(context),
            *_background_fields(context),
        ),
        links=_links(context, target.repo),
    )


def rule_resolved(target: AlertTarget, detail: Mapping[str, Any], since: datetime, context: MessageContext) -> Message:
    rule = context.rule
    headline = text.headline(rule.kind, target, detail, resolved=True)
    now = text.measurement_text(rule.kind, detail) if detail.get("value") is not None else ""
    lasted = formatting.duration((context.now - since).total_seconds())
    return Message(
        subject=f"[{target.repo}] {headline}",
        headline=headline,
        fields=(
            ("Lasted", lasted),
            *((("Measured now", now),) if now else ()),
            ("Rule", rule.name),
            *_figures_compose(context),
        ),
        links=_links(context, target.repo),
        resolved=True,
        episode_summary=text.episode_summary(rule.kind, target, lasted),
    )


def group_message(
    rule: Rule, reason: Reason, lines: Sequence[str], error_line: str | None, app_url: str, now: datetime
) -> Message:
    """One message about many places, each as `line`."""
    ended, number = reason is Reason.RESOLVED, len(lines)
    state = "are over" if ended else "still fire" if reason is Reason.REPEAT else "fire at once"
    more = (f"and {number - MAX_LISTED} more",) if number > MAX_LISTED else ()
    return Message(
        subject=f"{number} alerts {state}: {rule.name}",
        headline=f"{number} alerts of the rule {rule.name} {state}",
        fields=(
            *((("Common cause", error_line),) if error_line else ()),
            ("Rule", f"{rule.rule_type.label}, from {rule.threshold} on"),
            ("At", formatting.timestamp(now)),
        ),
        lines=(*lines[:MAX_LISTED], *more),
        links=(("Alerts", f"{app_url.rstrip('/')}/alerts"),),
        resolved=ended,
        episode_summary=f"{number} alerts of the rule {rule.name} came and went" if ended else "",
    )


def target_line(rule: Rule, target: AlertTarget, detail: Mapping[str, Any], evidence: Evidence = NO_EVIDENCE) -> str:
    """Of one place among others: what is measured there, and where it began."""
    figures = text.measurement_text(rule.kind, detail) if detail else ""
    began = f"{evidence.label.lower()} {_sha(evidence.first)}" if evidence.first else ""
    told = ", ".join(part for part in (figures, began) if part)
    return f"• {target.label}: {told}" if told else f"• {target.label}"


def _evidence_fields(context: MessageContext) -> tuple[Field, ...]:
    """Where it began and who, and the error of the newest failure."""
    found = context.evidence
    runs = ((found.label, _commit(found.first)),) if found.first else ()
    newest = found.last if found.first and found.error_line and found.last != found.first else None
    error = "Error" if newest is None else f"Error of run {newest.run_number:,}"
    return (*runs, *(((error, found.error_line),) if found.error_line else ()))


def _background_fields(context: MessageContext) -> tuple[Field, ...]:
    """The rule, how often it fires here, and the figures."""
    rule, times = context.rule, context.episode_count
    often = "for the first time in 30 days" if times <= 1 else f"{formatting.count(times)} times in 30 days"
    return (
        ("Rule", f"{rule.name}: {rule.rule_type.label.lower()}, from {rule.threshold} on"),
        ("Opened here", often),
        *_figures_compose(context),
    )


def _figures_compose(context: MessageContext) -> tuple[Field, ...]:
    """The same strings that UI and API show for this workflow and the last 30 days."""
    written = display(context.figures)
    return tuple((f"{FIGURES[name].label}, 30 days", written[name]) for name in _FIGURES)


def _commit(run: RunRow) -> str:
    return f"{_sha(run)}: {run.headline[:150]}"


def _sha(run: RunRow) -> str:
    return f"{run.head_sha[:7]} {run.attribution}".rstrip()


def _since(moment: datetime, now: datetime) -> str:
    """No "ago": a message is read later, too."""
    return f"{formatting.timestamp(moment)} (for {formatting.duration(max((now - moment).total_seconds(), 0))})"


def _links(context: MessageContext, repo: str) -> tuple[Field, ...]:
    """The run on the dashboard and on GitHub, where it can be acknowledged and silenced, and the repository."""
    run = context.evidence.last
    there = (("Open the run", _page(context, "run", run_id=str(run.id))), ("GitHub", run.html_url)) if run else ()
    alert = (("Alert", _page(context, "alerts", alert=str(context.alert_id))),) if context.alert_id else ()
    return (*there, *alert, ("Dashboard", _page(context, "", repo=repo)))


def _page(context: MessageContext, page: str, **query: str) -> str:
    return f"{context.app_url.rstrip('/')}/{page}?{urlencode(query)}"
