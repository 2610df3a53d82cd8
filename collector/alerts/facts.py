"""What a message says, for programs: the `alerts` of the webhook's body (docs/alerts.md). Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from collector.alerts.evidence import Evidence
from db.alerting import words
from db.alerting.place import Place
from db.alerting.rule import Rule
from db.metrics.formulas import Metrics
from db.queries.runs import RunRow


def facts(rule: Rule, alerts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "severity": str(rule.severity),
        "rule": {
            "id": rule.id, "name": rule.name, "kind": str(rule.kind), "label": rule.spec.label,
            "threshold": rule.threshold,
        },
        "alerts": [dict(alert) for alert in alerts],
    }  # fmt: skip


def one(  # noqa: PLR0913 - what is known of it
    alert_id: int, rule: Rule, place: Place, detail: Mapping[str, Any], evidence: Evidence, app_url: str,
    *, times: int | None = None, figures: Metrics | None = None, fixed: RunRow | None = None,
    resolved_at: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    since = words.began(detail)
    return {
        "id": alert_id,
        "url": f"{app_url.rstrip('/')}/alerts?{urlencode({'alert': alert_id})}",
        "repo": place.repo,
        "workflow": place.workflow,
        "branch": place.branch,
        "since": _stamp(since) if since else None,
        "resolved_at": _stamp(resolved_at) if resolved_at else None,
        "measured": words.measured(rule.kind, detail) or None,
        "detail": dict(detail),
        "opened_in_30_days": times,
        "first_bad_commit": _run(evidence.first),
        "last_run": _run(evidence.last),
        "error_line": evidence.error_line,
        "fixed_by": _run(fixed),
        "figures_30_days": _figures(figures) if figures else None,
    }


def _run(run: RunRow | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "sha": run.head_sha, "author": run.commit_author, "title": run.headline, "started_by": run.actor,
        "rerun_by": run.rerun_by, "run_id": run.id, "attempt": run.attempt, "conclusion": run.conclusion,
        "branch": run.branch, "url": run.html_url,
    }  # fmt: skip


def _figures(found: Metrics) -> dict[str, Any]:
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
