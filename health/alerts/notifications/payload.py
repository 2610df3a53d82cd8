"""`Message.data`: what a notification says, for programs. Pure.

The alerts of the webhook's body are documented in docs/alerts.md, "Webhook". `digest` is internal: a digest of several
notifications is rendered from it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from db.runs.run_queries import RunRow
from health.alerts.notifications import text
from health.alerts.notifications.evidence import Evidence
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget
from health.insights.causes.triage import Triage
from health.metrics.definitions.formulas import Metrics


def digest_data(
    app_url: str, first_bad: RunRow | None, error_line: str | None, known: Triage | None = None
) -> dict[str, Any]:
    """What a digest says about this notification: first bad commit, error line with its mark, and the address of all
    alerts."""
    return {
        "first_bad_commit": short_commit(first_bad) if first_bad else None,
        "error_line": error_line,
        "known": known.text if known else None,
        "alerts_url": f"{app_url.rstrip('/')}/alerts",
    }


def message_data(rule: Rule, alerts: Sequence[dict[str, Any]], digest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "severity": str(rule.severity),
        "rule": {
            "id": rule.id,
            "name": rule.name,
            "kind": str(rule.kind),
            "label": rule.rule_type.label,
            "threshold": rule.threshold,
        },
        "alerts": list(alerts),
        "digest": dict(digest),
    }


def alert_data(  # noqa: PLR0913 - one parameter a field of the documented JSON
    alert_id: int,
    rule: Rule,
    target: AlertTarget,
    detail: AlertDetail,
    evidence: Evidence,
    app_url: str,
    *,
    episode_count: int | None = None,
    figures: Metrics | None = None,
    resolving_run: RunRow | None = None,
    resolved_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "id": alert_id,
        "url": f"{app_url.rstrip('/')}/alerts?{urlencode({'alert': alert_id})}",
        "repo": target.repo,
        "workflow": target.workflow,
        "branch": target.branch,
        "since": _stamp(detail.since) if detail.since else None,
        "resolved_at": _stamp(resolved_at) if resolved_at else None,
        "measured": text.measurement_text(rule.kind, detail, rule.threshold) or None,
        "detail": detail.to_dict(),
        "opened_in_30_days": episode_count,
        "first_bad_commit": _run_data(evidence.first),
        "last_run": _run_data(evidence.last),
        "error_line": evidence.error_line,
        "known": _known_data(evidence.known),
        "fixed_by": _run_data(resolving_run),
        "figures_30_days": _metrics_data(figures) if figures else None,
    }


def _known_data(known: Triage | None) -> dict[str, Any] | None:
    if known is None:
        return None
    until = _stamp(known.until) if known.until else None
    return {"ticket": known.ticket, "owner": known.owner, "comment": known.comment, "until": until}


def _run_data(run: RunRow | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "sha": run.head_sha,
        "author": run.commit_author,
        "title": run.headline,
        "started_by": run.actor,
        "rerun_by": run.rerun_by,
        "run_id": run.id,
        "attempt": run.attempt,
        "conclusion": run.conclusion,
        "branch": run.branch,
        "url": run.html_url,
    }


def _metrics_data(metrics: Metrics) -> dict[str, Any]:
    return {
        "runs": metrics.runs.total,
        "success_rate": metrics.success_rate,
        "failure_rate": metrics.failure_rate,
        "duration_p50_seconds": metrics.duration_seconds.p50,
        "duration_p95_seconds": metrics.duration_seconds.p95,
        "queue_p95_seconds": metrics.queue_seconds.p95,
        "recovery_p50_seconds": metrics.recovery_seconds.p50,
        "flaky_runs": metrics.flaky_runs,
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def short_commit(run: RunRow) -> str:
    """The abbreviated SHA of a run, and the author of its commit or the user that started the run."""
    return f"{run.head_sha[:7]} {run.attribution}".rstrip()
