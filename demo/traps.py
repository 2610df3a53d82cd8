"""Oddities of GitHub that are set by hand, for tests; each has been seen in life."""

from dataclasses import dataclass, field

from starlette.responses import Response

from demo.gate import Refused, answer
from demo.model import Repository

_MOST_JOBS_A_PAGE = 50
_REASONS = {403: "tos", 451: "dmca"}


@dataclass
class Traps:
    """`big_runs`: ids of runs whose jobs answer 502 to more than 50 a page. `doubled_jobs`: ids of runs that list
    their first job twice, once with cut steps. `only_again_in_latest`: filter=latest leaves copies out.
    `broken_workflows`: ids whose own list of runs is always a 500. `blocked`: repository id to 403 or 451.
    `wrong_totals_above`: total_count is wrong for more runs than this; pages and links are right.
    `log_layout`: a year of `demo.archive.LAYOUTS`, and `log_layouts` that of single runs. `lost_logs`: ids of jobs and
    runs whose logs are 404 for ever. `zip_bombs`: run id to megabytes a log. `log_address_seconds`: how long the place
    that a redirect names is good."""

    big_runs: set[int] = field(default_factory=set)
    doubled_jobs: set[int] = field(default_factory=set)
    only_again_in_latest: bool = False
    broken_workflows: set[int] = field(default_factory=set)
    blocked: dict[int, int] = field(default_factory=dict)
    wrong_totals_above: int | None = None
    log_layout: str = "2026"
    log_layouts: dict[int, str] = field(default_factory=dict)
    lost_logs: set[int] = field(default_factory=set)
    zip_bombs: dict[int, int] = field(default_factory=dict)
    log_address_seconds: float = 60

    def check_jobs(self, run_id: int, page_size: int) -> None:
        if run_id in self.big_runs and page_size > _MOST_JOBS_A_PAGE:
            raise Refused(502, "Server Error")

    def check_workflow(self, workflow_id: int) -> None:
        if workflow_id in self.broken_workflows:
            raise Refused(500, "Server Error")

    def blocking(self, repository: Repository) -> Response | None:
        status = self.blocked.get(repository.id)
        if status is None:
            return None
        reason = {
            "reason": _REASONS.get(status, "tos"), "created_at": "2026-01-28T14:53:01Z",
            "html_url": f"https://github.com/{repository.full_name}",
        }  # fmt: skip
        return answer({"message": "Repository access blocked", "block": reason}, status)

    def layout_of(self, run_id: int) -> str:
        return self.log_layouts.get(run_id, self.log_layout)

    def check_log(self, *ids: int) -> None:
        if self.lost_logs & set(ids):
            raise Refused(404, "Not Found")

    def total(self, count: int) -> int:
        """Too small by a few in a hundred, as large counts are."""
        wrong = self.wrong_totals_above is not None and count > self.wrong_totals_above
        return count - max(count // 37, 1) if wrong else count
