"""Selects the line of a failed step that names its cause, within a budget of CPU time. Pure."""

import re
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from collector.logs.patterns import (
    CANCELED,
    CAUSE_RULES,
    CLOSING,
    FAILURE_WORD,
    IGNORED,
    IMPLAUSIBLE,
    INFORMATIVE,
    PASSED_ON,
    PREFIX,
    RETRY,
    CauseRule,
    Pattern,
)

# Seconds of CPU time of the thread that reads the log.
CPU_BUDGET = 2.0
# Loop iterations between two readings of the clock, which costs as much as a short iteration.
_CHECK_EVERY = 32
# The announcement of a retry follows the failure within this number of lines.
_RETRY_LINES = 2
_EXIT = re.compile(r"^\++ exit [1-9]")
_ECHO = re.compile(r"^\++ echo ")
_WORD = re.compile(r"\w")


class CpuBudgetExceeded(Exception):
    """The search for the cause took more CPU time than one log may use."""


class CpuBudget:
    """Starts when it is created, and belongs to the thread that created it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._deadline = time.thread_time() + (CPU_BUDGET if seconds is None else seconds)
        self._remaining = 0

    def check(self) -> None:
        """Raises CpuBudgetExceeded. For operations that may take long."""
        if time.thread_time() > self._deadline:
            raise CpuBudgetExceeded

    def step(self) -> None:
        """The same for one of many short iterations."""
        self._remaining -= 1
        if self._remaining < 0:
            self._remaining = _CHECK_EVERY
            self.check()


@dataclass(frozen=True)
class CauseLine:
    """The index of the line. `is_fallback`: no rule matches it; it is the last output of the step, or a notice that it
    was cancelled."""

    index: int
    is_fallback: bool = False


def find_cause_line(
    lines: Sequence[str],
    start: int,
    end: int,
    *,
    closed: bool,
    hidden: Collection[int] = (),
    budget: CpuBudget | None = None,
) -> CauseLine | None:
    """The cause among the plain lines `start` to `end` of the failed step; null if none is plausible. In this order: a
    line that a rule matches; the output of a script before it exits; the last line that is plausible (one with a word
    of failure if the runner did not close the step); a line that relays a failure; a line before the step that a rule
    matches, if the step has no output. `hidden`: indices of overwritten lines. Raises CpuBudgetExceeded."""
    budget = budget or CpuBudget()
    canceled = CANCELED.match(lines[end]) is not None
    step = _Candidates(lines, start, end, hidden, budget)
    named = step.first_by_rule()
    if named is None:
        printed = _output_before_exit(lines, start, end, budget)
        named = printed if printed is not None else step.first(INFORMATIVE)
    if named is not None:
        return CauseLine(named, is_fallback=canceled)
    if canceled:
        return CauseLine(end, is_fallback=True)
    last = step.last_plausible(None if closed else FAILURE_WORD)
    if last is None:
        last = step.first(PASSED_ON)
    if last is not None:
        return CauseLine(last, is_fallback=True)
    earlier = (
        _Candidates(lines, 0, start - 1, hidden, budget).first_by_rule() if start and closed and not step.any else None
    )
    return CauseLine(earlier, is_fallback=True) if earlier is not None else None


class _Candidates:
    """Lines that may report a failure, by index, without the prefix of the tool that relayed them."""

    def __init__(self, lines: Sequence[str], start: int, end: int, hidden: Collection[int], budget: CpuBudget) -> None:
        self._lines = lines
        self._budget = budget
        self._texts: dict[int, str] = {}
        for index in range(start, min(end + 2, len(lines))):
            budget.step()
            line = lines[index]
            if line and index not in hidden and not CLOSING.match(line):
                text = PREFIX.sub("", line)
                if not IGNORED.search(text):
                    self._texts[index] = text
        self.any = bool(self._texts)
        self._end = end

    def first_by_rule(self) -> int | None:
        """The first line of the first rule that matches one, except for relayed failures and failures that were
        retried."""
        for rule in CAUSE_RULES:
            if rule.requires is None or any(rule.requires.search(text) for _, text in self._iter_texts()):
                for index, _ in self._iter_texts():
                    if self._matches(rule, index):
                        return index
        return None

    def _iter_texts(self) -> Iterator[tuple[int, str]]:
        for index, text in self._texts.items():
            self._budget.step()
            yield index, text

    def first(self, pattern: Pattern) -> int | None:
        return next((index for index, text in self._iter_texts() if pattern.search(text)), None)

    def last_plausible(self, pattern: re.Pattern[str] | None) -> int | None:
        """The last plausible line; with a pattern, the last one that matches it."""
        for index in reversed(self._texts):
            self._budget.step()
            matches = pattern is None or pattern.search(self._texts[index])
            if index <= self._end and matches and not self._is_implausible(index):
                return index
        return None

    def _matches(self, rule: CauseRule, index: int) -> bool:
        text = self._lines[index] if rule.whole_line else self._texts[index]
        return rule.pattern.search(text) and not self._is_wrapper(index) and not self._was_retried(index)

    def _is_wrapper(self, index: int) -> bool:
        text = self._texts[index]
        return PASSED_ON.search(text) or INFORMATIVE.search(text)

    def _is_implausible(self, index: int) -> bool:
        return self._is_wrapper(index) or self._was_retried(index) or IMPLAUSIBLE.search(self._texts[index])

    def _was_retried(self, index: int) -> bool:
        following = range(index, min(index + _RETRY_LINES, self._end) + 1)
        return any(RETRY.search(self._lines[line]) for line in following)


def _output_before_exit(lines: Sequence[str], start: int, end: int, budget: CpuBudget) -> int | None:
    """In the trace of a shell: the last line that the script printed before `exit 1`."""
    for exit_index in range(start, end + 1):
        budget.step()
        if _EXIT.match(lines[exit_index]):
            for index in range(max(exit_index - 12, start), exit_index):
                echo = _ECHO.match(lines[index])
                if echo and _prints(lines[index][echo.end() :], lines[index + 1]):
                    return index + 1
    return None


def _prints(argument: str, line: str) -> bool:
    return argument in (line, f"'{line}'", f'"{line}"') and _WORD.search(line) is not None
