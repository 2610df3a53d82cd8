"""Links of a run: its commit, branch and actor lead to the runs with the same one, and to GitHub."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from app.data.connection import utc_now
from app.data.status import load_status
from app.filters.url_state import DEFAULT_PERIOD, PERIODS
from app.widgets import cells
from app.widgets.github import GitHubRepository, external_link, github_repository
from core import formatting
from db.enums import Outcome
from db.runs.run_queries import RunRow

Query = Sequence[tuple[str, object]]
Repositories = Mapping[str, GitHubRepository]
# GitHub re-runs workflows up to this age.
_RERUN_LIMIT = timedelta(days=30)
_SHORT_SHA = 7


def github_repositories() -> dict[str, GitHubRepository]:
    """The monitored repositories by name, without those whose stored URL is not one of a repository."""
    known = ((row.repo, github_repository(row.html_url)) for row in load_status().repositories)
    return {repo: repository for repo, repository in known if repository}


def time_query(since: datetime) -> Query:
    """Query parameters for the shortest period of at least the default length that begins before `since`; for days, if
    no period is long enough."""
    now = utc_now()
    lengths = {name: length for name, length in PERIODS.items() if length >= PERIODS[DEFAULT_PERIOD]}
    for name, length in lengths.items():
        if now - length < since - timedelta(minutes=2):
            return [("period", name)]
    return [("dates", f"{since.astimezone(UTC):%Y-%m-%d}..{now:%Y-%m-%d}")]


def commit_link(run: RunRow, github: GitHubRepository | None, time: Query | None = None) -> str:
    """The abbreviated SHA, linked to the runs of the commit, and an arrow to the commit on GitHub. `time`: query
    parameters of the period; by default a period that contains the run."""
    sha = run.head_sha[:_SHORT_SHA]
    query = [("q", run.head_sha), ("repo", run.repo), *(time_query(run.created_at) if time is None else time)]
    link = cells.anchor(sha, "runs", query, hover=f"Runs of commit {run.head_sha}")
    return f"<code>{link}</code>{_external(github.commit(run.head_sha) if github else None, f'Commit {sha}')}"


def branch_link(run: RunRow, github: GitHubRepository | None, time: Query | None = None) -> str:
    """The branch, linked to its runs and to GitHub. A pull request may come from a branch of a fork, so its arrow leads
    to the pull requests that contain the commit."""
    if not run.branch:
        return formatting.NO_DATA
    query = [("repo", run.repo), ("branch", run.branch), *(time_query(run.created_at) if time is None else time)]
    link = cells.anchor(run.branch, "runs", query, hover=f"Runs on {run.branch}")
    if run.event.startswith("pull_request"):
        return link + _external(
            github.pull_requests(run.head_sha) if github else None, "Pull requests with this commit"
        )
    return link + _external(github.branch(run.branch) if github else None, f"Branch {run.branch}")


def actor_link(login: str, run: RunRow, github: GitHubRepository | None, time: Query | None = None) -> str:
    """A user, linked to the runs that the user started and to GitHub."""
    query = [("actor", login), *(time_query(run.created_at) if time is None else time)]
    link = cells.anchor(login, "runs", query, hover=f"Runs started by {login}")
    return link + _external(github.user(login) if github else None, f"User {login}")


def commit_text(run: RunRow, github: GitHubRepository | None) -> str:
    """The commit of a run with its author, and its title linked to the run."""
    by = f" {cells.text(run.attribution).html}" if run.attribution else ""
    title = cells.anchor(run.headline[:110] or f"#{run.run_number}", "run", [("run_id", run.id)])
    return f"{commit_link(run, github)}{by}: {title}"


def rerun_url(run: RunRow, github: GitHubRepository | None, now: datetime) -> str | None:
    """The page of a failed or cancelled run on GitHub, which offers to re-run its failed jobs. Null for other runs, and
    for runs that are too old for a re-run. GitHub has no URL that re-runs jobs."""
    can_rerun = run.outcome in (Outcome.FAILURE, Outcome.CANCELLED) and now - run.created_at < _RERUN_LIMIT
    return github.stored(run.html_url) if github and can_rerun else None


def _external(url: str | None, description: str) -> str:
    arrow = external_link(url, description)
    return f" {arrow}" if arrow else ""
