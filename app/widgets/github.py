"""URLs of pages on GitHub or GitHub Enterprise Server. All are on the host of the repository's stored URL, and none has
another scheme than https or http: names, commits and URLs of runs are untrusted."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from app.widgets.text import html

_REPOSITORY = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]{1,200}){2}")
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_BOT_SUFFIX = "[bot]"
_RUN = re.compile(r".+/actions/runs/[0-9]{1,20}")
_PRINTABLE = re.compile(r"[!#-;=?-_a-~]{1,2000}")


@dataclass(frozen=True)
class GitHubRepository:
    """A repository on GitHub. `url`: its page, without a slash at the end. A method returns null where the given name
    or URL is not one of this GitHub."""

    url: str

    @property
    def host(self) -> str:
        """Scheme and host, such as https://github.com."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def commit(self, sha: str) -> str | None:
        return f"{self.url}/commit/{sha}" if _SHA.fullmatch(sha) else None

    def branch(self, name: str | None) -> str | None:
        return f"{self.url}/tree/{quote(name, safe='/')}" if name else None

    def pull_requests(self, sha: str) -> str | None:
        """The search for pull requests that contain the commit: runs do not name theirs."""
        return f"{self.url}/pulls?q=is%3Apr+{sha}" if _SHA.fullmatch(sha) else None

    def user(self, login: str | None) -> str | None:
        """The page of a user, or of an app, whose login ends with `[bot]`."""
        name = (login or "").removesuffix(_BOT_SUFFIX)
        if not _LOGIN.fullmatch(name):
            return None
        return f"{self.host}/apps/{name}" if name != login else f"{self.host}/{name}"

    def workflow(self, path: str) -> str:
        """The runs of the workflow with this file."""
        return f"{self.url}/actions/workflows/{quote(path.rpartition('/')[2])}"

    def stored(self, url: str | None) -> str | None:
        """A stored URL, if it is on the same host."""
        if not url or not _PRINTABLE.fullmatch(url):
            return None
        return url if url.startswith(f"{self.host}/") else None

    def attempt(self, run_url: str | None, attempt: int) -> str | None:
        """The page of one attempt of a run. `run_url`: the stored URL of the run."""
        url = self.stored(run_url)
        return f"{url}/attempts/{attempt}" if url and _RUN.fullmatch(url) else url


def github_repository(html_url: str | None) -> GitHubRepository | None:
    """The repository with this stored URL; null unless it is the http or https URL of a repository."""
    url = (html_url or "").rstrip("/")
    return GitHubRepository(url) if _REPOSITORY.fullmatch(url) else None


def external_link(url: str | None, description: str) -> str:
    """An arrow that opens a page of GitHub in a new tab; empty without a URL. `description`: what the page shows."""
    if url is None:
        return ""
    label = html(f"{description} on GitHub")
    return (
        f'<a class="ph-external" href="{html(url)}" target="_blank" rel="noopener noreferrer" title="{label}" '
        f'aria-label="{label}">↗</a>'
    )
