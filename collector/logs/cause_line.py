"""How much CPU time one log may take until its cause is known. Pure.

Which line of a failed step names its cause. Pure; what lines look like stands in collector.logs.patterns.
"""

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
# Steps of a loop between two looks at the clock, which takes as long as a short step.
_CHECK_EVERY = 32


class CpuBudgetExceeded(Exception):
    """Looking for the cause took more CPU time than one log may take."""


class CpuBudget:
    """Begins when it is made, and belongs to the thread that made it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._ends = time.thread_time() + (CPU_BUDGET if seconds is None else seconds)
        self._left = 0

    def check(self) -> None:
        """Raises OverBudget. For what may take long by itself."""
        if time.thread_time() > self._ends:
            raise CpuBudgetExceeded

    def step(self) -> None:
        """The same for one of many steps."""
        self._left -= 1
        if self._left < 0:
            self._left = _CHECK_EVERY
            self.check()


# A notice of one more try stands this near behind the failure that it is about.
_RETRY_LINES = 2
_EXIT = re.compile(r"^\++ exit [1-9]")
_ECHO = re.compile(r"^\++ echo ")
_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class CauseLine:
    """The index of the line; `weak` where no rule names it: the last thing that the step said, or that it was
    cancelled."""

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
    """Of plain lines, those of the failed step from `start` to `end`. In this order: a line that a rule names; what a
    script said before it left; the last line that says anything (of failure, where the runner did not close the step);
    a line that only passes a failure on. Where the step says nothing, a line before it that a rule names. `hidden` were
    overwritten. Raises OverBudget."""
    budget = budget or CpuBudget()
    canceled = CANCELED.match(lines[end]) is not None
    step = _Candidates(lines, start, end, hidden, budget)
    named = step.first_by_rule()
    if named is None:
        said = _output_before_exit(lines, start, end, budget)
        named = said if said is not None else step.first(INFORMATIVE)
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
    """Lines that may tell of a failure, by index: without the prefix of whoever passed them on."""

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
        """The first line of the first rule that has one; neither a wrapper's nor one of a try that was repeated."""
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
        """The last of those that match, where a pattern is given."""
        for index in reversed(self._texts):
            self._budget.step()
            fits = pattern is None or pattern.search(self._texts[index])
            if index <= self._end and fits and not self._has_no_word(index):
                return index
        return None

    def _matches(self, rule: CauseRule, index: int) -> bool:
        text = self._lines[index] if rule.whole_line else self._texts[index]
        return rule.pattern.search(text) and not self._is_wrapper(index) and not self._was_repeated(index)

    def _is_wrapper(self, index: int) -> bool:
        text = self._texts[index]
        return PASSED_ON.search(text) or INFORMATIVE.search(text)

    def _has_no_word(self, index: int) -> bool:
        return self._is_wrapper(index) or self._was_repeated(index) or IMPLAUSIBLE.search(self._texts[index])

    def _was_repeated(self, index: int) -> bool:
        following = range(index, min(index + _RETRY_LINES, self._end) + 1)
        return any(RETRY.search(self._lines[place]) for place in following)


def _output_before_exit(lines: Sequence[str], start: int, end: int, budget: CpuBudget) -> int | None:
    """In a shell's trace: what the script printed last before `exit 1`."""
    for leave in range(start, end + 1):
        budget.step()
        if _EXIT.match(lines[leave]):
            for index in range(max(leave - 12, start), leave):
                echo = _ECHO.match(lines[index])
                if echo and _prints(lines[index][echo.end() :], lines[index + 1]):
                    return index + 1
    return None


def _prints(argument: str, line: str) -> bool:
    return argument in (line, f"'{line}'", f'"{line}"') and _WORD.search(line) is not None
