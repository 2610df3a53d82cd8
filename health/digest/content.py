"""The content of a weekly digest: figures of the week against the week before, what changed, what is most worth doing,
failure causes and completeness. All strings are those of the dashboard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from core.formatting import format_day, pluralize
from db.definitions.scope import Scope, Window
from db.enums import AlertState
from health.alerts.attention import Attention, attention
from health.alerts.storage.alert_queries import list_alerts
from health.completeness.gaps import Completeness
from health.completeness.service import read_periods
from health.insights.causes.queries import Cause, causes
from health.insights.regressions import Regression, regressions
from health.metrics import service
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.service import Comparison

# Figures of the catalogue, in the order of the digest.
DIGEST_FIGURES = (
    "runs", "success_rate", "failures", "success_duration_p50", "queue_p95", "recovery_p50", "flaky_runs",
    "wasted_share", "cost_usd",
)  # fmt: skip
# The three things most worth doing; causes in each list; changes in each list.
MAX_TASKS, MAX_CAUSES, MAX_CHANGES = 3, 3, 5
_MAX_LINE = 160


@dataclass(frozen=True)
class DigestFigure:
    """A figure of the week and of the week before, as the dashboard writes them. `change` is null where the two cannot
    be compared; `is_improvement` is null where the difference may be chance or no direction is better."""

    name: str
    label: str
    current: str
    previous: str
    change: str | None
    is_improvement: bool | None

    @property
    def text(self) -> str:
        """98.2% (96.0% the week before, +2.2 pp)."""
        return f"{self.current} ({self.previous} the week before{f', {self.change}' if self.change else ''})"


@dataclass(frozen=True)
class DigestCause:
    """A failure cause of the week. `known` is the text of its mark, empty for an unmarked cause."""

    fingerprint: str
    line: str
    runs: int
    known: str = ""

    @property
    def text(self) -> str:
        mark = f" · {self.known}" if self.known else ""
        return f"{pluralize(self.runs, 'run')}: {self.line}{mark}"


@dataclass(frozen=True)
class DigestTask:
    """Something that needs attention. `run_id` and `alert_id` are null where there is none."""

    headline: str
    why: str
    run_id: int | None
    alert_id: int | None


@dataclass(frozen=True)
class WeeklyDigest:
    """`team` is null for the digest of all teams. `new_causes` is null where the week before is not completely stored:
    which causes are new is unknown. `completeness` is a sentence about the data of both weeks."""

    team: str | None
    week: date
    window: Window
    figures: tuple[DigestFigure, ...]
    worse: tuple[str, ...]
    better: tuple[str, ...]
    tasks: tuple[DigestTask, ...]
    new_causes: tuple[DigestCause, ...] | None
    known_causes: tuple[DigestCause, ...]
    completeness: str
    is_complete: bool


def weekly_digest(
    session: Session, scope: Scope, window: Window, now: datetime, *, team: str | None, week: date
) -> WeeklyDigest:
    """The digest of the runs of a scope. `week` is the Monday on which the window begins in the time zone of the
    digest."""
    periods = read_periods(session, scope, window)
    comparison = service.compare(session, scope, window, now=now, periods=periods)
    figures = tuple(_figure(comparison, name) for name in DIGEST_FIGURES)
    changes = regressions(session, scope, now)
    listed = causes(session, scope, window, now, periods=periods).items
    tasks = attention(session, scope, now, known_regressions=changes)[:MAX_TASKS]
    return WeeklyDigest(
        team=team,
        week=week,
        window=window,
        figures=figures,
        worse=tuple(_worse(figures, changes, window))[:MAX_CHANGES],
        better=tuple(_better(session, scope, figures, window))[:MAX_CHANGES],
        tasks=tuple(_task(item) for item in tasks),
        new_causes=_new_causes(listed, window) if comparison.comparable else None,
        known_causes=tuple(_cause(cause) for cause in listed if cause.known)[:MAX_CAUSES],
        completeness=_completeness_text(comparison),
        is_complete=comparison.comparable and _covers(comparison.current.data, window),
    )


def _figure(comparison: Comparison, name: str) -> DigestFigure:
    figure, change = FIGURES[name], comparison.change(name)
    return DigestFigure(
        name,
        figure.label,
        figure.format(figure.value(comparison.current)),
        figure.format(figure.value(comparison.previous)),
        change.text if change else None,
        change.is_improvement if change else None,
    )


def _worse(figures: Sequence[DigestFigure], changes: Sequence[Regression], window: Window) -> Iterator[str]:
    yield from (f"{figure.label}: {figure.text}" for figure in figures if figure.is_improvement is False)
    for change in changes:
        if window.since <= change.since < window.until:
            yield f"{change.repo} / {change.workflow}: {change.text}"


def _better(session: Session, scope: Scope, figures: Sequence[DigestFigure], window: Window) -> Iterator[str]:
    yield from (f"{figure.label}: {figure.text}" for figure in figures if figure.is_improvement)
    resolved = list_alerts(session, states=[AlertState.RESOLVED], repos=scope.repos, limit=1_000)
    recovered = [
        alert
        for alert in resolved
        if alert.resolved_at and window.since <= alert.resolved_at < window.until and alert.detail.reason is None
    ]
    if recovered:
        yield f"{pluralize(len(recovered), 'alert')} resolved"


def _task(item: Attention) -> DigestTask:
    return DigestTask(item.headline, item.why, item.run_id, item.alert_id)


def _new_causes(listed: Sequence[Cause], window: Window) -> tuple[DigestCause, ...]:
    new = [cause for cause in listed if cause.first_at >= window.since and cause.known is None]
    return tuple(_cause(cause) for cause in new[:MAX_CAUSES])


def _cause(cause: Cause) -> DigestCause:
    line = cause.line if len(cause.line) <= _MAX_LINE else cause.line[: _MAX_LINE - 1] + "…"
    return DigestCause(cause.fingerprint, line, cause.runs, cause.known.text if cause.known else "")


def _covers(data: Completeness, window: Window) -> bool:
    return data.covers(window.since) and not data.gaps


def _completeness_text(comparison: Comparison) -> str:
    data, window = comparison.current.data, comparison.window
    if not data.covers(window.since):
        since = f"only since {format_day(data.complete_since)}" if data.complete_since else "not yet"
        return f"Provisional: the data of this week is complete {since}."
    if data.gaps:
        names = sorted({gap.repo for gap in data.gaps})
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        detail = f" {data.gaps[0].detail}" if len(data.gaps) == 1 else ""
        return f"The data has {pluralize(len(data.gaps), 'gap')}: {listed}{detail}".rstrip(".") + "."
    if not comparison.comparable:
        return "The data of this week is complete; that of the week before is not, so nothing is compared."
    return "The data of both weeks is complete."
