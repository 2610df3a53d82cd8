"""Extension points of the simulator. The demo uses none; tests.simulator adds tokens, faults and edge cases here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.github.logs import CURRENT_LAYOUT, Layout
from demo.world.model import Attempt, Job, Repository, Run


@dataclass(frozen=True)
class SearchIndex:
    """Index from which GitHub serves lists with a filter. It shows the account as it was `age` ago. `includes` selects
    the runs that it holds; None: all."""

    age: timedelta = timedelta(0)
    includes: Callable[[Run], bool] | None = None


class Extension:
    """Every method of this class leaves the response as it is. A subclass overrides what it changes. All methods may
    raise GitHubError, which becomes the response."""

    def authorize(self, request: Request) -> None:
        """Called before every API request; raises GitHubError when the token is not accepted."""

    def redirect(self, request: Request, full_name: str) -> Response | None:
        """Return the response to a request for a repository that was renamed."""
        return None

    def block(self, repository: Repository) -> Response | None:
        """Return the response to all requests for a repository that GitHub has blocked."""
        return None

    def before_runs(self, repository: Repository, workflow_id: int | None, page: int) -> None:
        """Called before a page of runs is listed, of one workflow or of the repository."""

    def search_index(self) -> SearchIndex:
        """Return the index for one list with a filter. Not called for lists without one."""
        return SearchIndex()

    def total_count(self, count: int) -> int:
        """Return the total_count of a list of `count` runs."""
        return count

    def before_jobs(self, run: Run, page_size: int) -> None:
        """Called before a page of jobs is listed."""

    def list_jobs(self, run: Run, jobs: list[tuple[Attempt, Job]], *, latest: bool) -> list[tuple[Attempt, Job]]:
        """Return the jobs to list. `latest`: the request asks for the jobs of the latest attempt (filter=latest)."""
        return jobs

    def job_payloads(self, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return one page of jobs as it is sent."""
        return payloads

    def before_logs(self, *ids: int) -> None:
        """Called with the ids of the run and the job whose logs are requested."""

    def log_url_seconds(self) -> float:
        """Return how long the storage URL of a log is valid."""
        return 60

    def log_layout(self, run_id: int) -> Layout:
        """Return the layout of the run's log archive."""
        return CURRENT_LAYOUT

    def archive(self, run: Run, attempt: Attempt) -> bytes | None:
        """Return a log archive that replaces the generated one."""
        return None
