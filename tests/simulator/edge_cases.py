"""Edge cases of GitHub that a test switches on; each has been observed at GitHub."""

import io
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache

from demo.github.logs import CURRENT_LAYOUT, Layout, file_name

LAYOUTS = {
    "2021": Layout(1, steps=True, system=False, mark=False, line_ending="\r\n", slash=""),
    "2023": Layout(0, steps=True, system=False, mark=False, slash="", prepare=True),
    "2025": Layout(0, steps=True, system=True, mark=True),
    "2026": CURRENT_LAYOUT,
}
_MEGABYTE = b"0" * 1_000_000


@dataclass
class EdgeCases:
    """`big_runs`: ids of runs whose jobs return 502 for pages of more than 50. `doubled_jobs`: ids of runs that list
    their first job twice, once with one step. `latest_without_copies`: filter=latest leaves copied jobs out.
    `broken_workflows`: ids of workflows whose list of runs returns 500. `blocked`: repository id to status 403 or 451.
    `wrong_totals_above`: total_count is too small for lists of more runs than this; pages and links are right.
    `log_layout`: a key of LAYOUTS; `log_layouts`: the same by run id. `lost_logs`: ids of jobs and runs whose logs
    return 404. `zip_bombs`: run id to megabytes per log. `log_url_seconds`: how long the URL of a log is valid."""

    big_runs: set[int] = field(default_factory=set)
    doubled_jobs: set[int] = field(default_factory=set)
    latest_without_copies: bool = False
    broken_workflows: set[int] = field(default_factory=set)
    blocked: dict[int, int] = field(default_factory=dict)
    wrong_totals_above: int | None = None
    log_layout: str = "2026"
    log_layouts: dict[int, str] = field(default_factory=dict)
    lost_logs: set[int] = field(default_factory=set)
    zip_bombs: dict[int, int] = field(default_factory=dict)
    log_url_seconds: float = 60


@lru_cache(maxsize=2)
def zip_bomb(job_names: tuple[str, ...], megabytes: int) -> bytes:
    """Return a small archive in which each job's log is one line of so many megabytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, name in enumerate(job_names):
            with archive.open(f"{number}_{file_name(name, '_')}.txt", "w", force_zip64=True) as entry:
                for _ in range(megabytes):
                    entry.write(_MEGABYTE)
    return buffer.getvalue()


def huge_log(megabytes: int, error: str = "##[error]Process completed with exit code 1.") -> str:
    """Return a log of at least this size with an error in the middle, for EditableWorld.set_log()."""
    stamp = "2026-11-23T12:30:00.1234567Z"
    half = f"{stamp} {'compiling object ' * 11}done\n" * (megabytes * 1_000_000 // 2 // 220 + 1)
    return f"\ufeff{half}{stamp} {error}\n{half}"
