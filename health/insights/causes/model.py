"""Failure causes and the rules that recognise them. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class CauseClass(StrEnum):
    """What kind of problem a cause is. INFRASTRUCTURE, TIMEOUT, RESOURCES and CANCELLED are no fault of the change."""

    TEST = "test"
    COMPILE = "compile"
    LINT = "lint"
    DEPENDENCY = "dependency"
    INFRASTRUCTURE = "infrastructure"
    TIMEOUT = "timeout"
    RESOURCES = "resources"
    CONFIGURATION = "configuration"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


def stored_class(kind: str) -> CauseClass:
    """The class with a stored name; a class of another version of the product is unknown."""
    return CauseClass(kind) if kind in list(CauseClass) else CauseClass.UNKNOWN


class Rank(IntEnum):
    """How precisely a line names a cause; lower is better. RELAYED and WRAPPER lines report that a called program
    failed; a RELAYED line names it."""

    RUNNER = 0
    TEST = 1
    LISTED = 2
    SOURCE = 3
    TOOL = 4
    ANNOTATED = 5
    EXCEPTION = 6
    POSITION = 7
    SYSTEM = 8
    REPORT = 9
    RELAYED = 10
    WORDS = 11
    LOGGED = 12
    WRAPPER = 13


@dataclass(frozen=True)
class Rule:
    """A recogniser of one format of line. The named groups of the pattern, in the order of SUBJECT_GROUPS, are the
    subject; a group `message` is the message. `triggers`: the line must contain one of them, which is tested first.
    `requires`: the rule applies only if a line of the step matches this pattern. `is_titled`: the lines that follow, up
    to one that ends with a colon, continue the name of the test. `file_above`: the file is named by a line above.
    `is_anchored`: the pattern matches at the start of a line only."""

    tool: str
    kind: CauseClass
    rank: Rank
    pattern: re.Pattern[str]
    triggers: tuple[str, ...] = ()
    requires: re.Pattern[str] | None = None
    is_titled: bool = False
    file_above: bool = False
    is_anchored: bool = False

    def match(self, text: str) -> re.Match[str] | None:
        """The match of a line. Expressions that begin with `^` are tried at its start only."""
        return self.pattern.match(text) if self.is_anchored else self.pattern.search(text)


SUBJECT_GROUPS = ("test", "file", "code", "symbol", "package", "host", "status")
# A code alone is no subject: the message says of what.
NAMING_GROUPS = frozenset(SUBJECT_GROUPS) - {"code"}


def rule(
    tool: str,
    kind: CauseClass,
    rank: Rank,
    pattern: str,
    *triggers: str,
    requires: str | None = None,
    is_titled: bool = False,
    file_above: bool = False,
) -> Rule:
    """A rule; the pattern is compiled."""
    needed = re.compile(requires) if requires else None
    anchored = all(part.removeprefix("(?i)").startswith("^") for part in _alternatives(pattern))
    return Rule(tool, kind, rank, re.compile(pattern), triggers, needed, is_titled, file_above, anchored)


def _alternatives(expression: str) -> Iterator[str]:
    """The parts of an expression between the bars outside of groups and character sets."""
    depth, start, index, in_set = 0, 0, 0, False
    while index < len(expression):
        character = expression[index]
        if character == "\\":
            index += 1
        elif in_set:
            in_set = character != "]"
        elif character == "[":
            # A bracket at the start of a set is one of its characters.
            in_set = True
            index += expression[index + 1 : index + 2] == "]" or 2 * (expression[index + 1 : index + 3] == "^]")
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and not depth:
            yield expression[start:index]
            start = index + 1
        index += 1
    yield expression[start:]


@dataclass(frozen=True)
class Heading:
    """A line that announces a list, the first items of which are the causes: within the next lines, those that match
    `item`. Its other lines are ignored."""

    tool: str
    kind: CauseClass
    rank: Rank
    pattern: re.Pattern[str]
    item: re.Pattern[str]
    is_titled: bool = False


def heading(tool: str, kind: CauseClass, rank: Rank, pattern: str, item: str, *, is_titled: bool = False) -> Heading:
    """A heading; the patterns are compiled."""
    return Heading(tool, kind, rank, re.compile(pattern), re.compile(item), is_titled)


@dataclass(frozen=True)
class FailureCause:
    """Why a job failed. `line` is the text that is shown, at `line_number` of the log, from 1. `subject` names what
    failed: a test, or file, error code and symbol, a package, a host; null if the line names nothing. `has_code`: an
    error code is part of it. `is_fallback`: no rule of a tool recognises the line."""

    kind: CauseClass
    tool: str
    subject: str | None
    message: str
    line: str
    line_number: int
    is_fallback: bool = False
    has_code: bool = False
