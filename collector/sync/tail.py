"""Reading the list of runs, newest first, as far back as the plan says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from collector.github.client import Client
from collector.github.errors import Unprocessable
from collector.github.pagination import pages
from collector.github.payloads import RunPayload
from collector.sync.cursor import Walk


@dataclass
class Seen:
    """What the walk met so far. `capped`: GitHub's list ended before the walk did."""

    newest: datetime | None = None
    oldest: datetime | None = None
    etag: str | None = None
    unchanged: bool = False
    capped: bool = False
    ids: set[int] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)


def walk(client: Client, repo: str, plan: Walk, etag: str | None, seen: Seen) -> Iterator[list[RunPayload]]:
    """Batches of runs, one a page. Unfiltered on purpose: filtered lists come from a search index that can be
    stale or partial for minutes, unfiltered ones are correct."""
    path = f"/repos/{repo}/actions/runs"
    try:
        for page in pages(client, path, "workflow_runs", RunPayload, etag=etag if plan.plain else None):
            if page.not_modified:
                seen.unchanged = True
                return
            seen.etag = seen.etag or page.etag
            seen.unreadable += page.unreadable
            _note(seen, page.items)
            yield page.items
            if seen.oldest and seen.oldest < plan.until:
                return
    except Unprocessable:
        # GitHub ends an unfiltered list at about 40,000 runs; what is older is read by windows of created_at.
        if seen.oldest is None:
            raise
        seen.capped = True


def _note(seen: Seen, runs: list[RunPayload]) -> None:
    times = [run.created_at for run in runs]
    if times:
        seen.newest = max([*times, seen.newest] if seen.newest else times)
        seen.oldest = min([*times, seen.oldest] if seen.oldest else times)
    seen.ids.update(run.id for run in runs)
