"""Lines of a log that report one failure again: they are no further causes of the job. Pure."""

import re
from collections.abc import Sequence
from itertools import pairwise

from health.insights.causes.model import CauseClass, FailureCause

# Jest names the file of failed tests in the line above them.
_FILE_ABOVE_TESTS = frozenset({"jest"})
_FILE = re.compile(r"^\S{1,500}\.\w{1,10}$")


def without_repetitions(causes: Sequence[FailureCause]) -> list[FailureCause]:
    """The causes in their order, without a file whose failed test follows, without a subject that contains an earlier
    one or is its start, and without further lines of a tool that name nothing."""
    above = _files_above_tests(causes)
    distinct: list[FailureCause] = []
    for cause in causes:
        if cause not in above and not any(_repeats(cause, earlier) for earlier in distinct):
            distinct.append(cause)
    return distinct


def _files_above_tests(causes: Sequence[FailureCause]) -> list[FailureCause]:
    ordered = sorted(causes, key=lambda cause: cause.line_number)
    return [
        cause
        for cause, following in pairwise(ordered)
        if cause.tool in _FILE_ABOVE_TESTS and cause.tool == following.tool and _is_file(cause) and _is_test(following)
    ]


def _is_file(cause: FailureCause) -> bool:
    return cause.kind == CauseClass.TEST and cause.subject is not None and _FILE.match(cause.subject) is not None


def _is_test(cause: FailureCause) -> bool:
    return cause.kind == CauseClass.TEST and cause.subject is not None and not _is_file(cause)


def _repeats(cause: FailureCause, earlier: FailureCause) -> bool:
    if (cause.kind, cause.tool) != (earlier.kind, earlier.tool):
        return False
    if cause.subject is None or earlier.subject is None:
        return cause.subject is earlier.subject
    longer, shorter = sorted((cause.subject, earlier.subject), key=len, reverse=True)
    return longer.startswith(f"{shorter} ")
