"""The measurement behind an alert: `alerts.detail`, a JSON column. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class AlertDetail:
    """What an alert stores of its latest measurement. Which fields are set depends on the rule type; a field that is
    null is not part of it, except those that `nullable` names. Field names are the stored JSON keys.

    `since`: start of the condition. `value`: the measured value, in the unit of the rule type; `recent`: the burn rate
    of the short window. `failed` of `decided` runs failed. `flaky`, `jobs`, `failures`, `runs`: counts. `label`: runner
    label. `text`: a description of the measurement. `error`: the last error of the collector. `first_bad_run`,
    `last_run`, `run_id` and `resolved_by` are run ids, `run_branch` the branch of `run_id`. `reason`: why the alert was
    closed without a recovery. `extra`: stored keys of other versions."""

    branch: str | None = None
    since: datetime | None = None
    window_seconds: float | None = None
    value: float | None = None
    recent: float | None = None
    failures: int | None = None
    failed: int | None = None
    decided: int | None = None
    flaky: int | None = None
    jobs: int | None = None
    label: str | None = None
    text: str | None = None
    error: str | None = None
    first_bad_run: int | None = None
    last_run: int | None = None
    run_id: int | None = None
    run_branch: str | None = None
    runs: int | None = None
    resolved_by: int | None = None
    reason: str | None = None
    nullable: tuple[str, ...] = field(default=(), compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "AlertDetail":
        values: dict[str, Any] = {name: stored[name] for name in _KEYS if name in stored}
        nullable = tuple(name for name, value in values.items() if value is None)
        since = values.pop("since", None)
        return cls(
            **values,
            since=datetime.fromisoformat(since) if isinstance(since, str) else None,
            nullable=nullable,
            extra={name: value for name, value in stored.items() if name not in _KEYS},
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; times as ISO 8601."""
        values = {name: getattr(self, name) for name in _KEYS}
        if self.since is not None:
            values["since"] = self.since.isoformat()
        listed = {name: value for name, value in values.items() if value is not None or name in self.nullable}
        return {**self.extra, **listed}


_KEYS = tuple(item.name for item in fields(AlertDetail) if item.name not in ("nullable", "extra"))
