"""The line of a failed job's log that a person wants to see first, and what stands around it. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

BEFORE, AFTER = 24, 8
LONGEST_LINE = 2_000
_SEARCHED = 4_000

_TIMESTAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?")
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_GENERIC = re.compile(
    r"^##\[error\]\s*(?:$|Process completed with exit code|.{0,60}failed with exit code \d+\.?$|"
    r"The operation was canceled|A task was canceled|.{0,40}exited with code \d|"
    r"Executing the custom container implementation failed)",
    re.IGNORECASE,
)
# From the most telling to the least; the first line that matches the best class wins.
_CLASSES = tuple(
    re.compile(pattern)
    for pattern in (
        r"^##\[error\]",
        r"^FAILED \S+|^\s*--- FAIL: |^(?:>?\s*)?● .+ › |^\s*FAIL\s+\S+\.\w+|^\s+\d+\) \[\w+\] › |"
        r"^FAIL: \S+|Test\w* failed\b",
        r": (?:fatal )?error:? |\berror (?:TS|C|CS|LNK|E)\d+|^error\[E\d+\]|^(?:│ )?Error: |^error: |^ERROR: |"
        r"^npm (?:ERR!|error) (?!A complete log)|^fatal: |^panic: |Error response from daemon",
        r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?:: |$)|^E\s{2,}\S",
        r"(?i)no space left on device|out of memory|oom.?kill|\bkilled\b|exit status 137|"
        r"timed? ?out|connection refused",
        r"^FAILURE: |BUILD FAILED|(?i:\bfailed\b|\bfailure\b|\berror\b)",
    )
)


@dataclass(frozen=True)
class Excerpt:
    """`first_line` counts from 1 within the whole log; `error_line` is the text to show in one line, null where
    nothing looks like a cause."""

    first_line: int
    lines: tuple[str, ...]
    error_line: str | None


def plain(line: str) -> str:
    """Without the runner's timestamp, byte order mark and colours."""
    return _ANSI.sub("", _TIMESTAMP.sub("", line)).rstrip()


def excerpt(lines: Sequence[str]) -> Excerpt:
    """Looks at the last 4,000 lines up to the runner's own closing error: what follows is cleaning up."""
    if not lines:
        return Excerpt(1, (), None)
    cleaned = [plain(line)[:LONGEST_LINE] for line in lines[-_SEARCHED:]]
    offset = len(lines) - len(cleaned)
    end = _closing(cleaned)
    found = _telling(cleaned, end)
    focus = found if found is not None else end
    start, stop = max(focus - BEFORE, 0), min(focus + AFTER + 1, len(cleaned))
    error_line = _shown(cleaned[found]) if found is not None else None
    return Excerpt(offset + start + 1, tuple(cleaned[start:stop]), error_line)


def _closing(lines: Sequence[str]) -> int:
    """The first generic ##[error]; the end where there is none."""
    return next((index for index, line in enumerate(lines) if _GENERIC.match(line)), len(lines) - 1)


def _telling(lines: Sequence[str], end: int) -> int | None:
    """Within the step that failed first; where that says nothing, anywhere before its end."""
    step = _step_start(lines, end)
    for start in dict.fromkeys((step, 0)):
        for pattern in _CLASSES:
            for index in range(start, min(end + 2, len(lines))):
                line = lines[index]
                if pattern.search(line) and not _GENERIC.match(line) and not line.startswith("##[warning]"):
                    return index
    return None


def _step_start(lines: Sequence[str], end: int) -> int:
    """Behind the header of the last `##[group]Run …` before the error: the header quotes the script, whose text
    may hold any word."""
    for index in range(end, -1, -1):
        if lines[index].startswith("##[group]Run "):
            closing = range(index, min(index + 200, end))
            return next((at + 1 for at in closing if lines[at].startswith("##[endgroup]")), index + 1)
    return 0


def _shown(line: str) -> str:
    return line.removeprefix("##[error]").strip()[:500]
