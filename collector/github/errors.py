"""What can go wrong between this program and GitHub. Every message is one line for people, without secrets and control
characters, whatever the server said.

GitHubError
├── Unauthorized      the token is bad (401): nothing else will work either
├── NotFound          404: gone, or this token may not see it
├── Gone              410: expired
├── Forbidden         403 that is no rate limit, or 451: this one thing is closed to us
├── Unprocessable     422: GitHub refuses the question
├── RateLimited       wait until `until`
├── Unreachable       no connection, DNS, TLS, timeouts
└── BadAnswer         5xx after retries, or an answer that is not what the API promises
"""

from datetime import datetime

from core.text import clean


class GitHubError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class Unauthorized(GitHubError):
    pass


class NotFound(GitHubError):
    pass


class Gone(GitHubError):
    pass


class Forbidden(GitHubError):
    pass


class Unprocessable(GitHubError):
    pass


class Unreachable(GitHubError):
    """`lasting`: trying again changes nothing, as with a certificate that is not trusted."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class InvalidResponse(GitHubError):
    """`server_side` is true for a 5xx: a smaller page may still work. `passing`: the next answer may be a good one."""

    def __init__(self, message: str, *, server_side: bool = False, transient: bool = False) -> None:
        super().__init__(message)
        self.server_side, self.transient = server_side, transient or server_side


class RateLimited(GitHubError):
    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until
