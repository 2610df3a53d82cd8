"""Extraction of failure causes from a log: the lines that name them, with class, tool and subject. Pure.

The log is read once. Lines that may report a failure are recognised by the rules of the families; the rank of a rule
decides among them. Work and memory are bounded for any log."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from health.insights.causes.families import generic
from health.insights.causes.lines import display_line, is_ignored, unprefixed
from health.insights.causes.model import NAMING_GROUPS, CauseClass, FailureCause, Heading, Rank
from health.insights.causes.novelty import NONE_KNOWN, KnownLines, passed_lines, sketch
from health.insights.causes.recognition import ITEM_LINES, Hit, Recogniser, heading_in
from health.insights.causes.scan import Region, Scan, StepSpan, scan
from health.insights.causes.subjects import message_of, subject_of

# The version of the rules. The collector extracts causes of an earlier version again.
CAUSE_VERSION = 6
MAX_CAUSES = 50
# The announcement of a retry follows the failure within this number of lines.
_RETRY_LINES = 2
# Exit statuses of `timeout` and of a process that was killed, which runs out of memory in most cases.
_EXIT_KINDS = {"124": CauseClass.TIMEOUT, "137": CauseClass.RESOURCES}
_EXIT_CODE = re.compile(r"exit code (124|137)\b")
# A script that prints so many lines after the error of one of these programs did not end because of it.
_CONTINUED_LINES, _CONTINUED_TOOLS = 300, frozenset({"apt", "curl", "shell", "wget"})
# Exceptions and reports: the last one ended the step.
_LAST_COUNTS = frozenset({Rank.EXCEPTION, Rank.WORDS, Rank.LOGGED, Rank.WRAPPER})
# Lines of these ranks name what failed; a known one is not replaced by a less specific one.
_SPECIFIC = frozenset({Rank.RUNNER, Rank.TEST, Rank.LISTED})
# Failures of these classes pass at the next try: a successful log that has one survived it.
_TRANSIENT = frozenset({CauseClass.INFRASTRUCTURE, CauseClass.RESOURCES, CauseClass.TIMEOUT})
_DOWNLOAD = re.compile(r"(?i)\bfailed to (?:fetch|download)\b|\bnetwork\b")
# The block of an error of Terraform: where it is, and what it names.
_TERRAFORM = "terraform"
_TERRAFORM_PLACE = re.compile(
    r"^[│ ]{1,8}on (?P<file>\S{1,300}) line \d+"
    r"(?:, in (?:resource|data|module|variable|output|provider) \"(?P<resource>[^:]{1,200})\")?"
)
_TERRAFORM_NAME = re.compile(
    r"\b(?:argument|block of type|input variable with the name|attribute|function) (?:named )?"
    r"\"(?P<name>[^\"]{1,200})\""
)
# A service of the job itself, for which scripts wait.
_LOCAL_HOST = re.compile(r"\blocalhost\b|\b127\.0\.0\.1\b|\b0\.0\.0\.0\b|(?<![\w:])::1\b")


@dataclass(frozen=True)
class Extraction:
    """`causes`: the most important first; empty if no line is plausible. `end_number`: the last line of the failed
    step, from 1; 0 for an empty log. `closing`: the runner's last line of the step; null if there is none. `is_closed`:
    the step has an error of the runner, which a lost runner does not write."""

    causes: tuple[FailureCause, ...]
    end_number: int
    closing: str | None
    is_cancelled: bool = False
    is_closed: bool = False


def extract(
    lines: Iterable[str],
    step: StepSpan | None = None,
    *,
    known: KnownLines = NONE_KNOWN,
    check: Callable[[], None] | None = None,
) -> Extraction:
    """The causes of a log, whose lines include their line breaks. Lines that successful logs of the job (`known`) or
    the steps before the failed one also have are causes only if there are no others. `check` is called for each line
    that is read and may raise to interrupt the work."""
    check = check or _no_check
    scanned = scan(lines, step, check)
    if scanned is None:
        return Extraction((), 0, None)
    closing = display_line(scanned.closing) if generic.CLOSING.match(scanned.closing) else None
    is_cancelled = generic.CANCELED.match(scanned.closing) is not None
    causes = _causes(scanned, _Novelty(known, scanned.earlier, check), check, is_cancelled=is_cancelled)
    return Extraction(tuple(causes), scanned.end_number, closing, is_cancelled, scanned.is_closed)


def cause_of_line(line: str) -> FailureCause:
    """The cause that a line on its own, such as a stored line or an annotation, names."""
    hit = Recogniser().recognise(1, line)
    if hit is None:
        shown = display_line(line)
        return FailureCause(CauseClass.UNKNOWN, "", None, shown, shown, 1, is_fallback=True)
    return _cause(hit, ())


def _no_check() -> None:
    pass


class _Novelty:
    """Which lines are known: from successful logs, or from the steps before the failed one, which are sketched when
    the first line is compared."""

    def __init__(self, known: KnownLines, earlier: Sequence[str], check: Callable[[], None]) -> None:
        self._known, self._earlier, self._check = known, earlier, check
        self._passed: KnownLines | None = None

    def is_known(self, line: str, *, is_specific: bool = False) -> bool:
        """Whether a line is known; one of a specific rank is compared with successful logs only."""
        self._check()
        if line in self._known:
            return True
        if is_specific:
            return False
        if self._passed is None:
            self._passed = sketch(passed_lines(self._earlier), check=self._check)
        return line in self._passed

    def knows(self, hit: Hit) -> bool:
        """Whether the line of a hit is known. That of a transient failure never is."""
        return not _is_transient(hit) and self.is_known(hit.line, is_specific=hit.rank in _SPECIFIC)

    def best(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits of the best rank, the decisive one first, and known ones last. A rank all of whose lines are known
        is used only if that is so for all ranks, or if it is specific."""
        ranks = sorted({hit.rank for hit in hits})
        chosen: list[Hit] = []
        for rank in ranks:
            ranked = [hit for hit in hits if hit.rank == rank]
            new, known = self._split(ranked[::-1] if rank in _LAST_COUNTS else ranked)
            chosen = chosen or known
            if new or rank in _SPECIFIC:
                return [*new, *known]
        return chosen

    def all_known(self, best: Sequence[Hit]) -> bool:
        """Whether hits returned by `best` are of no specific rank and known."""
        return bool(best) and best[0].rank not in _SPECIFIC and self.knows(best[0])

    def _split(self, hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
        # Hits of one rank and line are equal but for their numbers.
        flags = {line: self.knows(hit) for line, hit in {hit.line: hit for hit in hits}.items()}
        return [hit for hit in hits if not flags[hit.line]], [hit for hit in hits if flags[hit.line]]


def _is_transient(hit: Hit) -> bool:
    """Whether a hit names a failure that passes at the next try. Lines that mention an error of the network and are of
    no known tool are not meant: applications log them while they wait for a service."""
    if hit.tool == "network":
        return False
    is_download = hit.kind == CauseClass.DEPENDENCY and _DOWNLOAD.search(hit.line) is not None
    return (is_download or hit.kind in _TRANSIENT) and not _LOCAL_HOST.search(hit.line)


def _causes(scanned: Scan, novelty: _Novelty, check: Callable[[], None], *, is_cancelled: bool) -> list[FailureCause]:
    """In this order: what a rule names; the output of a script before it exits; a relayed failure; the notice of a
    cancellation; the last plausible line; a wrapper; a line before a step without output."""
    region, end = scanned.region, scanned.end_number
    lines = _Lines(region, end, check)
    hits = lines.hits()
    best = novelty.best([hit for hit in hits if hit.rank < Rank.LOGGED])
    instead = _new_cause(lines, hits, scanned, novelty) if novelty.all_known(best) else None
    # The new line may not be the cause, so that the known one is retained.
    retained = lines.causes(best, novelty, is_fallback=True)[:1] if instead is not None else []
    if instead is None and best and best[0].rank < Rank.RELAYED:
        return lines.causes(best, novelty, is_fallback=is_cancelled and best[0].rank > Rank.RUNNER)
    if instead is None and region.printed is not None:
        instead = _plain_cause(*region.printed, is_fallback=False)
    if instead is None and (code := _EXIT_CODE.search(scanned.closing)):
        shown = display_line(scanned.closing)
        instead = FailureCause(_EXIT_KINDS[code[1]], "system", None, shown, shown, end, is_fallback=True)
    if instead is not None:
        return [instead, *retained]
    if best and (best[0].rank == Rank.RELAYED or not is_cancelled):
        return lines.causes(best, novelty, is_fallback=is_cancelled or best[0].rank != Rank.RELAYED)
    if is_cancelled:
        shown = display_line(scanned.closing)
        return [FailureCause(CauseClass.CANCELLED, "runner", None, shown, shown, end, is_fallback=True)]
    fallback = _fallback(lines, hits, scanned)
    if fallback is None and scanned.before is not None and scanned.is_closed and not region.has_output:
        before = _Lines(scanned.before, end, check)
        named = [hit for hit in before.hits() if hit.rank < Rank.RELAYED]
        return before.causes(novelty.best(named), novelty, is_fallback=True)
    return [fallback] if fallback is not None else []


def _new_cause(lines: "_Lines", hits: Sequence[Hit], scanned: Scan, novelty: _Novelty) -> FailureCause | None:
    """A cause where all recognised lines are known: the output of a script before it exits, or the last new line with
    a word of failure. Sketches do not have other lines, so that those may not be new."""
    printed = scanned.region.printed
    if printed is not None and not novelty.is_known(printed[1]):
        return _plain_cause(*printed, is_fallback=False)
    wrappers = {hit.number for hit in hits if hit.rank == Rank.WRAPPER}
    for number, line in lines.plausible(scanned, wrappers):
        if generic.FAILURE_WORD.search(line) and not novelty.is_known(line):
            return _plain_cause(number, line, is_fallback=True)
    return None


def _fallback(lines: "_Lines", hits: Sequence[Hit], scanned: Scan) -> FailureCause | None:
    logged = [hit for hit in hits if hit.rank == Rank.LOGGED]
    wrappers = [hit for hit in hits if hit.rank == Rank.WRAPPER]
    for number, line in lines.plausible(scanned, {hit.number for hit in (*logged, *wrappers)}):
        return _plain_cause(number, line, is_fallback=True)
    for hit in (*reversed(logged), *wrappers):
        return replace(_cause(hit, ()), is_fallback=True)
    return None


def _plain_cause(number: int, line: str, *, is_fallback: bool) -> FailureCause:
    shown = display_line(line)
    return FailureCause(CauseClass.UNKNOWN, "", None, shown, shown, number, is_fallback)


class _Lines:
    """The candidate lines of a region by number."""

    def __init__(self, region: Region, end: int, check: Callable[[], None]) -> None:
        # The text of an error of the runner can have several lines.
        self._lines = dict(region.candidates(end + 1))
        self._numbers = list(self._lines)
        self._context_numbers = region.context
        self._end = end
        self._check = check

    def hits(self) -> list[Hit]:
        recogniser = Recogniser([unprefixed(line) for line in self._lines.values()])
        hits = []
        seen: dict[str, int] = {}
        listed = self._listed()
        for number in self._numbers:
            self._check()
            line = self._lines[number]
            if seen.get(line, 0) >= 3:
                continue
            seen[line] = seen.get(line, 0) + 1
            hit = recogniser.recognise(number, line) if number not in self._context_numbers else None
            item = listed.get(number)
            if item is not None and (hit is None or item.rank < hit.rank):
                hit = item
            if hit is None:
                continue
            if hit.rank < Rank.LOGGED and hit.rank != Rank.RUNNER and self.was_retried(number):
                hit = replace(hit, rank=Rank.LOGGED)
            elif hit.tool in _CONTINUED_TOOLS and hit.rank == Rank.TOOL and number < self._end - _CONTINUED_LINES:
                hit = replace(hit, rank=Rank.WORDS)
            hits.append(hit)
        return hits

    def plausible(self, scanned: Scan, weak: Collection[int]) -> Iterator[tuple[int, str]]:
        """The last lines of the step that may be a cause although no rule recognises them, the last one first, without
        those of these numbers."""
        for number, line in reversed(scanned.region.last):
            text = unprefixed(line)
            is_plausible = scanned.is_closed or generic.FAILURE_WORD.search(text)
            if number > scanned.end_number or number in weak or is_ignored(text) or not is_plausible:
                continue
            if not generic.IMPLAUSIBLE.match(text) and not self.was_retried(number):
                yield number, line

    def was_retried(self, number: int) -> bool:
        following = (self._lines.get(number + offset) for offset in range(_RETRY_LINES + 1))
        return any(line is not None and generic.RETRY.search(line) for line in following)

    def _listed(self) -> dict[int, Hit]:
        """Items of lists that a heading announces, by number."""
        items: dict[int, Hit] = {}
        for number in self._numbers:
            text = unprefixed(self._lines[number])
            heading = heading_in(text)
            item = self._first_item(number, heading) if heading else None
            if item is not None:
                items.setdefault(item.number, item)
        return items

    def _first_item(self, number: int, heading: Heading) -> Hit | None:
        for following in range(number + 1, number + 1 + ITEM_LINES):
            line = self._lines.get(following)
            text = unprefixed(line) if line is not None else ""
            match = heading.item.match(text)
            if line is not None and match and not generic.is_wrapper(text):
                groups = {name: value for name, value in match.groupdict().items() if value}
                return Hit(following, line, heading.rank, heading.tool, heading.kind, groups, heading.is_titled)
        return None

    def causes(self, hits: Sequence[Hit], novelty: _Novelty, *, is_fallback: bool) -> list[FailureCause]:
        """The distinct causes of hits of one rank, new ones before known ones, then those with the most frequent
        message first."""
        causes: dict[tuple[str, str | None, str], FailureCause] = {}
        known_numbers = set()
        for hit in hits:
            cause = replace(_cause(hit, self._context(hit)), is_fallback=is_fallback)
            key = (cause.tool, cause.subject, "" if cause.subject else cause.line)
            if key not in causes:
                causes[key] = cause
                if novelty.knows(hit):
                    known_numbers.add(hit.number)
            if len(causes) >= MAX_CAUSES:
                break
        named = [message_of(cause.message) for cause in causes.values() if cause.message != cause.line]
        counts = Counter(named)
        if len(counts) == len(named):
            return list(causes.values())
        return sorted(
            causes.values(),
            key=lambda cause: (cause.line_number in known_numbers, -counts[message_of(cause.message)]),
        )

    def _context(self, hit: Hit) -> tuple[str, ...]:
        """Further names of the subject: the title of a test in the lines below, or the file in a line above."""
        if hit.is_titled:
            title: list[str] = []
            for following in range(hit.number + 1, hit.number + 7):
                line = self._lines.get(following, "").strip()
                if not line or line.endswith(":"):
                    return (*title, line.removesuffix(":")) if line else tuple(title)
                title.append(line)
            return ()
        if hit.file_above:
            for number in range(hit.number - 1, max(hit.number - 400, 0), -1):
                line = self._lines.get(number, "")
                if line and not line.startswith((" ", "\t", "-", "F")) and "." in line and " " not in line.strip():
                    return (line.strip(),)
        if hit.tool == _TERRAFORM:
            return self._terraform_block(hit.number)
        return ()

    def _terraform_block(self, number: int) -> tuple[str, ...]:
        """File, and argument, variable or resource of the error in a line, from the lines below it."""
        file, name = "", ""
        for following in range(number + 1, number + 1 + ITEM_LINES):
            text = unprefixed(self._lines.get(following, ""))
            if text.startswith(("╵", "╷")):
                break
            place, named = _TERRAFORM_PLACE.match(text), _TERRAFORM_NAME.search(text)
            file = file or (place["file"] if place else "")
            # The name of an argument is more precise than that of its resource.
            name = named["name"] if named else name or (place["resource"] or "" if place else "")
        return tuple(part for part in (file, name.replace('" "', ".")) if part)


def _cause(hit: Hit, context: Sequence[str]) -> FailureCause:
    shown = display_line(hit.line)
    message = hit.groups.get("message", "").strip() or shown
    parts = hit.subject_parts
    subject = subject_of(parts, context) if context or any(name in NAMING_GROUPS for name, _ in parts) else None
    return FailureCause(hit.kind, hit.tool, subject, message, shown, hit.number, has_code="code" in hit.groups)
