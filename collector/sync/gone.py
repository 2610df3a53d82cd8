"""What a 404 about a run means: the run was deleted, or the token may not see its repository just now."""

from collector.github.client import Client
from collector.github.errors import BadAnswer, GitHubError, NotFound, RateLimited
from collector.github.payloads import RepositoryPayload, read


def why_unseen(client: Client, repository_id: int, repo: str) -> GitHubError | None:
    """Null where GitHub shows this repository. Raises RateLimited."""
    try:
        payload = read(RepositoryPayload, client.get(f"/repos/{repo}").data)
    except RateLimited:
        raise
    except GitHubError as error:
        return error
    if isinstance(payload, str):
        return BadAnswer(f"GitHub's answer about {repo} cannot be read ({payload})")
    if payload.id != repository_id:
        return BadAnswer(f"{repo} is the name of another repository now")
    return None


def why_unread(client: Client, repo: str, run_id: int) -> GitHubError | None:
    """Null where the run itself is gone; else what is wrong with its jobs. Raises RateLimited."""
    try:
        client.get(f"/repos/{repo}/actions/runs/{run_id}")
    except NotFound:
        return None
    except RateLimited:
        raise
    except GitHubError as error:
        return error
    return BadAnswer("GitHub shows the run and not its jobs (404)")
