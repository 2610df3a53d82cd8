"""Completeness of the data behind a figure, and its gaps."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Gap:
    """Something known to be missing from the figures. `since` and `until` say of which runs, by created_at; null: open
    on that side."""

    repo: str
    kind: str
    detail: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Completeness:
    """Since when every run is known (null: some repository's history is not complete), and how fresh that is."""

    complete_since: datetime | None
    synced_at: datetime | None
    gaps: tuple[Gap, ...] = ()
