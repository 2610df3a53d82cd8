"""Recognition of single lines: which rule matches, how precisely, and what failed. Pure."""

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from health.insights.causes.families import generic, go_rust, infrastructure, javascript, jvm, native, python, web
from health.insights.causes.lines import ERROR_MARK, is_ignored, unprefixed
from health.insights.causes.model import SUBJECT_GROUPS, CauseClass, Heading, Rank, Rule

_FAMILIES = (python, javascript, jvm, go_rust, native, web, infrastructure)
# Rules in the order in which they are tried.
RULES: tuple[Rule, ...] = tuple(
    sorted((*(rule for family in _FAMILIES for rule in family.RULES), *generic.RULES), key=lambda rule: rule.rank)
)
HEADINGS: tuple[Heading, ...] = tuple(heading for family in _FAMILIES for heading in family.HEADINGS)
_ALWAYS = tuple(index for index, rule in enumerate(RULES) if not rule.triggers)
# Rules by trigger, and triggers by three of their characters, so that a line is compared with few of them.
_BY_TRIGGER: dict[str, list[int]] = defaultdict(list)
for _index, _rule in enumerate(RULES):
    for _trigger in _rule.triggers:
        _BY_TRIGGER[_trigger].append(_index)
_KEY_LENGTH = 3
_BY_KEY: dict[str, list[str]] = defaultdict(list)
for _trigger in _BY_TRIGGER:
    _BY_KEY[_trigger[-_KEY_LENGTH:]].append(_trigger)
_KEYS = frozenset(key for key in _BY_KEY if len(key) == _KEY_LENGTH)
_SHORT_TRIGGERS = tuple(trigger for trigger in _BY_TRIGGER if len(trigger) < _KEY_LENGTH)
# Items follow a heading within this number of lines.
ITEM_LINES = 7
# Every heading contains one of these.
_HEADING_WORDS = (
    "====", "Oh no", "failing", "Fail", "fail", "Error", "error", "ERROR", "BUILD FAILED", "went wrong", "violations",
    "There w", "Problem 1", "FILE: ", "In ", "Summar", "FAILED", "# ", "fmt", "format", "Resource handler",
    "Unresolved", "flaky", "aborted!", "issue(s) found",
)  # fmt: skip
_UNRANKED_TOOLS = frozenset({"generic", "network", "system", "java"})


@dataclass(frozen=True)
class Hit:
    """A recognised line. `groups`: the named groups of the pattern that matched."""

    number: int
    line: str
    rank: Rank
    tool: str
    kind: CauseClass
    groups: dict[str, str]
    is_titled: bool = False
    file_above: bool = False

    @property
    def subject_parts(self) -> tuple[tuple[str, str], ...]:
        """The names of what failed, as pairs of group and text."""
        return tuple((name, self.groups[name]) for name in SUBJECT_GROUPS if self.groups.get(name))


class Recogniser:
    """Recognises the lines of one step. `texts`: its lines, among which a rule may require one; null if unknown, which
    meets all requirements."""

    def __init__(self, texts: Sequence[str] | None = None) -> None:
        self._texts = texts
        self._met: dict[re.Pattern[str], bool] = {}

    def recognise(self, number: int, line: str) -> Hit | None:
        """The hit of a plain line; null if it reports no failure."""
        text = unprefixed(line)
        annotated = line.startswith(ERROR_MARK)
        if not text.strip() or generic.CLOSING.match(line) or (is_ignored(text) and not annotated):
            return None
        if generic.is_relayed(text):
            return Hit(number, line, Rank.RELAYED, "generic", CauseClass.UNKNOWN, {})
        if generic.is_wrapper(text):
            return Hit(number, line, Rank.WRAPPER, "generic", CauseClass.UNKNOWN, {})
        for index in _candidates(text):
            match = RULES[index].match(text)
            if match and self._is_met(RULES[index].requires):
                return _hit(number, line, text, RULES[index], match, annotated=annotated)
        if annotated:
            return Hit(number, line, Rank.ANNOTATED, "runner", CauseClass.UNKNOWN, {"message": text})
        return None

    def _is_met(self, pattern: re.Pattern[str] | None) -> bool:
        if pattern is None or self._texts is None:
            return True
        if pattern not in self._met:
            self._met[pattern] = any(pattern.search(text) for text in self._texts)
        return self._met[pattern]


def heading_in(text: str) -> Heading | None:
    """The heading that a plain line without prefixes is; null if it is none."""
    if not any(word in text for word in _HEADING_WORDS) and not (len(text) < 14 and text.endswith(")")):
        return None
    return next((heading for heading in HEADINGS if heading.pattern.search(text)), None)


def _candidates(text: str) -> list[int]:
    """Indices of the rules that have a trigger in the text, in the order of the rules."""
    indices = set(_ALWAYS)
    keys = _KEYS.intersection(map("".join, zip(text, text[1:], text[2:], strict=False)))
    for trigger in itertools.chain(_SHORT_TRIGGERS, *(_BY_KEY[key] for key in keys)):
        if trigger in text:
            indices.update(_BY_TRIGGER[trigger])
    return sorted(indices)


def _hit(number: int, line: str, text: str, rule: Rule, match: re.Match[str], *, annotated: bool) -> Hit:
    rank = rule.rank
    if rule.tool in _UNRANKED_TOOLS and not annotated and generic.LOGGED.match(text):
        rank = max(rank, Rank.LOGGED)
    if annotated and rank > Rank.ANNOTATED:
        rank = Rank.ANNOTATED
    groups = {name: value for name, value in match.groupdict().items() if value}
    kind = rule.kind
    if kind == CauseClass.DEPENDENCY and generic.NETWORK_FAULT.search(text):
        kind = CauseClass.INFRASTRUCTURE
    return Hit(number, line, rank, rule.tool, kind, groups, rule.is_titled, rule.file_above)
