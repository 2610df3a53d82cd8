"""CODEOWNERS files: the owners of a path by GitHub's rules. Pure.

Source: docs.github.com, "About code owners". The last rule that matches a path applies, and a rule without owners
removes the owners. Patterns are those of .gitignore and case-sensitive, without `!`, `[ ]` and an escaped `#` at the
start. GitHub skips a line with invalid syntax, and does not load a file of 3 MB or more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from health.teams.path_patterns import NO_MATCH, InvalidPattern, PatternIndex

# Where GitHub looks for the file; the first one counts.
LOCATIONS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
# GitHub loads files below this size.
MAX_BYTES = 3 * 1024 * 1024
MAX_PROBLEMS, _MAX_SHOWN = 100, 60
_HANDLE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@dataclass(frozen=True)
class Rule:
    """`line` counts from 1. `owners` are `@user`, `@organization/team` or an e-mail address, as they are written."""

    line: int
    pattern: str
    owners: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """A line that GitHub skips, and why. `line` counts from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class Codeowners:
    """`problems`: the first 100 lines that are skipped."""

    def __init__(self, rules: Sequence[Rule], index: PatternIndex, problems: Iterable[Problem] = ()) -> None:
        """`index`: the patterns of `rules` at their positions."""
        self.rules, self.problems = tuple(rules), tuple(problems)
        self._index = index

    def rule_of(self, path: str) -> Rule | None:
        """The rule for a file, whose path starts at the root of the repository; null if no rule matches."""
        position = self._index.last_match(path.removeprefix("/"))
        return None if position == NO_MATCH else self.rules[position]

    def owners_of(self, path: str) -> tuple[str, ...] | None:
        """The owners of a file; empty if its rule has none, null if no rule matches."""
        rule = self.rule_of(path)
        return rule.owners if rule else None


class _InvalidLine(ValueError):
    pass


def parse(text: str) -> Codeowners:
    """The rules of a file. Lines that GitHub skips are skipped and reported."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    index = PatternIndex()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        try:
            words = _words(line)
            if not words:
                continue
            pattern, owners = words[0], tuple(_checked_owner(word) for word in words[1:])
            _check_start(pattern)
            index.add(pattern, len(rules))
        except (_InvalidLine, InvalidPattern) as error:
            if len(problems) < MAX_PROBLEMS:
                problems.append(Problem(number, str(error)))
        else:
            rules.append(Rule(number, pattern, owners))
    return Codeowners(rules, index, problems)


def _words(line: str) -> list[str]:
    """The pattern and the owners of a line, without its comment. A space in a pattern is escaped with a backslash."""
    if "\\" not in line:
        words = line.split()
    else:
        words, line = [""], line.strip()
        characters = iter(line)
        for character in characters:
            if character == "\\":
                words[-1] += character + next(characters, "")
            elif not character.isspace():
                words[-1] += character
            elif words[-1]:
                words.append("")
    for position, word in enumerate(words):
        if word.startswith("#"):
            return words[:position]
    return words


def _check_start(pattern: str) -> None:
    if pattern.startswith("!"):
        raise _InvalidLine("patterns cannot be negated with !")
    if pattern.startswith("\\#"):
        raise _InvalidLine("# at the start of a pattern cannot be escaped")
    if "#" in pattern:
        raise _InvalidLine("a comment needs a space before #")


def _checked_owner(word: str) -> str:
    name, at, rest = word.partition("@")
    if at and not name:
        parts = rest.split("/")
        is_valid = len(parts) <= 2 and all(part and _HANDLE_CHARACTERS.issuperset(part) for part in parts)
    else:
        is_valid = bool(name) and "." in rest.strip(".") and "@" not in rest and "/" not in word
    if not is_valid:
        raise _InvalidLine(f"{word[:_MAX_SHOWN]!r} is not a user, a team or an e-mail address")
    return word
