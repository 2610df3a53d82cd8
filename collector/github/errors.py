"""Errors of requests to GitHub. Every message is one line for people; secrets and control characters are removed.

GitHubError
├── Unauthorized      401: GitHub rejects the token, so that every further request fails too
├── NotFound          404: it does not exist, or the token has no access
├── Gone              410: it has expired
├── Forbidden         403 that is no rate limit, or 451
├── Unprocessable     422: GitHub rejects the parameters
├── RateLimited       no request is allowed before `until`
├── Unreachable       no connection, DNS, TLS, timeouts
└── InvalidResponse   5xx after retries, or a response that does not have the documented form
"""

from datetime import datetime

from core.text import clean
from db.enums import ErrorCode


class GitHubError(Exception):
    """`code` is stored with the message and decides what an operator is advised to do."""

    code = ErrorCode.INVALID_RESPONSE

    def __init__(self, message: str, *, code: ErrorCode | None = None) -> None:
        super().__init__(clean(message))
        if code is not None:
            self.code = code


class Unauthorized(GitHubError):
    code = ErrorCode.UNAUTHORIZED


class NotFound(GitHubError):
    code = ErrorCode.NOT_FOUND


class Gone(GitHubError):
    code = ErrorCode.GONE


class Forbidden(GitHubError):
    code = ErrorCode.FORBIDDEN


class Unprocessable(GitHubError):
    code = ErrorCode.UNPROCESSABLE


class Unreachable(GitHubError):
    """`permanent`: a retry cannot succeed, as with a certificate that is not trusted."""

    code = ErrorCode.UNREACHABLE

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class InvalidResponse(GitHubError):
    """`server_side`: a 5xx, where a smaller page may still work. `transient`: a retry may succeed."""

    def __init__(self, message: str, *, server_side: bool = False, transient: bool = False) -> None:
        super().__init__(message)
        self.server_side, self.transient = server_side, transient or server_side


class RateLimited(GitHubError):
    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until
