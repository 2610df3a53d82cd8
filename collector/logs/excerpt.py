"""The excerpt of a failed job's log: the lines around the cause of the failure; and sketches of other logs. Pure."""

from dataclasses import dataclass

from collector.logs.budget import CpuBudget, CpuBudgetExceeded
from health.insights.causes.job_causes import FailedJob, causes_of_log
from health.insights.causes.lines import clean_line
from health.insights.causes.model import FailureCause
from health.insights.causes.novelty import Sketcher, encode

LINES_BEFORE, LINES_AFTER = 24, 8
# If the step ends within this number of lines after the cause, the excerpt extends to its end.
LOOKBACK_LINES = 40


@dataclass(frozen=True)
class LogExcerpt:
    """`first_line`: the line number in the log, from 1. `causes`: why the job failed, the most important first; empty
    if no line is plausible. `closing`: the runner's last line of the failed step; null if there is none.
    `is_closed`: the step has an error of the runner, which is missing after a lost runner."""

    first_line: int
    lines: tuple[str, ...]
    causes: tuple[FailureCause, ...] = ()
    closing: str | None = None
    is_closed: bool = False

    @property
    def cause(self) -> FailureCause | None:
        return self.causes[0] if self.causes else None

    @property
    def is_fallback(self) -> bool:
        """Whether no rule recognises the cause: it is the last output of the step, or a notice that it was
        cancelled."""
        return bool(self.causes) and self.causes[0].is_fallback

    @property
    def names_clear_cause(self) -> bool:
        """Whether a rule recognises the cause in a step that the runner closed: annotations add nothing."""
        return bool(self.causes) and not self.is_fallback and self.is_closed


def excerpt_text(text: bytes | bytearray, job: FailedJob | None = None, budget: CpuBudget | None = None) -> LogExcerpt:
    """The excerpt of a log in UTF-8 with \\n between lines, and the causes, as `causes_of_log`. Raises
    CpuBudgetExceeded."""
    budget = budget or CpuBudget()
    lines = text.decode("utf-8", "replace").splitlines(keepends=True)
    budget.check()
    extraction = causes_of_log(lines, job or FailedJob(), check=budget.step)
    if not lines:
        return LogExcerpt(1, ())
    end = (extraction.end_number or len(lines)) - 1
    focus = extraction.causes[0].line_number - 1 if extraction.causes else end
    first = max(focus - LINES_BEFORE, 0)
    last = end if focus <= end <= focus + LOOKBACK_LINES else focus
    shown = tuple(clean_line(line) for line in lines[first : last + LINES_AFTER + 1])
    return LogExcerpt(first + 1, shown, extraction.causes, extraction.closing, extraction.is_closed)


def sketch_text(text: bytes | bytearray, budget: CpuBudget | None = None) -> bytes:
    """The sketch of a successful log in UTF-8, as it is stored; of a log that exceeds its CPU time, that of the lines
    that were read."""
    budget, sketcher = budget or CpuBudget(), Sketcher()
    try:
        for line in text.decode("utf-8", "replace").splitlines():
            budget.step()
            sketcher.add(line)
    except CpuBudgetExceeded:
        pass
    return encode(sketcher.known)
