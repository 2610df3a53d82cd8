"""The identity of a failure cause: one cause has one class, tool and subject, whatever differs from run to run. Pure.

A subject (test, file and error code, symbol, package, host, status) is compared as it is. Only a line without a subject
is compared as masked text, which `fingerprints.clusters` may also compare by distance."""

import hashlib
import re
from functools import lru_cache

from health.insights.causes.extraction import cause_of_line
from health.insights.causes.model import CauseClass, FailureCause
from health.insights.causes.subjects import message_of, symbols_of
from health.insights.fingerprints import WORD_JOINER, normalize

# The length identifies the version of the rules; those of earlier rules have 16 and 20 characters.
LENGTH = 24
# Lines of excerpts are shorter; annotations of the runner have no limit.
_MAX_LENGTH = 2_000
# GitHub's messages about a runner, with its name. The advice that follows differs between self-hosted and hosted ones.
_LOST_RUNNER = re.compile(
    r"^(?:The (?:(?:self-)?hosted )?runner(?:: .{1,200}?)?) (lost communication with the server)(?:\. .*|\.?$)"
)
_NAMED_RUNNER = re.compile(
    r"^(The (?:self-)?hosted runner): .{1,200}? (encountered an error)\b|^(Runner) .{1,80}? (did not respond)\b"
)


def identity(cause: FailureCause) -> str:
    """The text that identifies a cause: a single token without spaces if the cause has a subject."""
    if cause.subject is None:
        return normalize(_without_runner(cause.line) if cause.tool == "runner" else cause.line)
    names = [cause.kind.value, cause.tool, cause.subject]
    if cause.kind != CauseClass.TEST and cause.message != cause.line:
        names += symbols_of(cause.message) if cause.has_code else (message_of(cause.message),)
    return WORD_JOINER.join(WORD_JOINER.join(name.split()) for name in names)


def _without_runner(line: str) -> str:
    """The line without the name of the runner: it distinguishes the runs of a cause, not causes."""
    return _NAMED_RUNNER.sub(r"\1\3 \2\4", _LOST_RUNNER.sub(r"The runner \1", line))


def fingerprint_of(cause: FailureCause) -> str:
    """The identifier of a cause, which is stored and part of links."""
    return hashlib.sha256(identity(cause).encode()).hexdigest()[:LENGTH]


@lru_cache(maxsize=65_536)
def line_identity(line: str) -> str:
    """The identity of the cause that a line on its own names."""
    return identity(cause_of_line(line[:_MAX_LENGTH]))


def fingerprint(line: str | None) -> str | None:
    """The fingerprint of an error line on its own; null without a line."""
    return hashlib.sha256(line_identity(line).encode()).hexdigest()[:LENGTH] if line else None


def has_subject(line: str) -> bool:
    """Whether a line names what failed, so that it is never compared by distance."""
    return cause_of_line(line[:_MAX_LENGTH]).subject is not None


def is_current(fingerprint: str) -> bool:
    """Whether a fingerprint was made by the current rules."""
    return len(fingerprint) == LENGTH
