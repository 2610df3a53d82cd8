"""Repositories without GitHub Actions: temporary forks of security advisories, or Actions switched off by a policy."""

import re

from collector.github.client import Client
from collector.github.errors import Forbidden, GitHubError, NotFound
from collector.sync.gone import why_unseen

# GitHub's own words stand after the status: "GitHub refuses /repos/… (403: Actions has been disabled …)".
_STATUS = "(403: "
_ACTIONS = re.compile(r"\bactions\b", re.IGNORECASE)
_OFF = re.compile(r"\b(?:disabled|not enabled|not available|unavailable|switched off|turned off)\b", re.IGNORECASE)


def lacks_actions(client: Client, repository_id: int, repo: str, error: GitHubError) -> bool:
    """Whether this answer to a question about the repository's Actions says that it has none. A 404 also stands for a
    repository that is gone or hidden, so the repository itself is asked for. Raises RateLimited."""
    if isinstance(error, Forbidden):
        return _says_off(str(error))
    return isinstance(error, NotFound) and why_unseen(client, repository_id, repo) is None


def _says_off(refusal: str) -> bool:
    said = refusal.partition(_STATUS)[2]
    named = _ACTIONS.search(said)
    return named is not None and _OFF.search(said, named.end()) is not None
