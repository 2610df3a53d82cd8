"""Literals that every match of a regular expression contains, which the index can search for. Pure.

The syntax is RE2's (https://github.com/google/re2/wiki/Syntax); the expression has been compiled before, so it is
valid. Everything that is not understood yields no literal: the result can be too weak, but never excludes a match."""

# A match contains all literals of at least one alternative. An empty alternative excludes nothing.
Alternative = frozenset[str]
Alternatives = frozenset[Alternative]
_ANYTHING: Alternatives = frozenset({frozenset()})
_MAX_ALTERNATIVES = 24
_MAX_DEPTH = 40
_CLASSES, _EMPTY_ESCAPES = "dDwWsSC", "bBAz"
_CONTROLS = "aftnrv"


class _NotUnderstood(Exception):
    pass


def required_literals(pattern: str) -> Alternatives:
    parser = _Parser(pattern)
    try:
        alternatives = parser.alternatives(0)
    except (_NotUnderstood, IndexError):
        return _ANYTHING
    return alternatives if parser.at_end() else _ANYTHING


def _product(left: Alternatives, right: Alternatives) -> Alternatives:
    """Both must hold. Where that has too many alternatives, the first alone, which is weaker."""
    if len(left) * len(right) > _MAX_ALTERNATIVES:
        return left
    return frozenset(a | b for a in left for b in right)


class _Concatenation:
    """Adjacent characters, and the requirements of what was before them."""

    def __init__(self) -> None:
        self._alternatives = _ANYTHING
        self._run: list[str] = []
        self._group: Alternatives | None = None

    def add_character(self, character: str) -> None:
        self._take_group()
        # A cased character outside of ASCII can match others that folding does not make equal.
        if character.isascii() or character.lower() == character.upper():
            self._run.append(character)
        else:
            self.add_any()

    def add_any(self) -> None:
        self._take_group()
        if self._run:
            self._alternatives = _product(self._alternatives, frozenset({frozenset({"".join(self._run)})}))
            self._run = []

    def add_group(self, alternatives: Alternatives) -> None:
        self.add_any()
        self._group = alternatives

    def repeat(self, minimum: int) -> None:
        """Applies a quantifier to what was added last."""
        if minimum == 0:
            self._group = None
            if self._run:
                self._run.pop()
        self.add_any()

    def result(self) -> Alternatives:
        self.add_any()
        return self._alternatives

    def _take_group(self) -> None:
        if self._group is not None:
            self._alternatives = _product(self._alternatives, self._group)
            self._group = None


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern, self._at = pattern, 0

    def at_end(self) -> bool:
        return self._at == len(self._pattern)

    def alternatives(self, depth: int) -> Alternatives:
        """Reads to the end of the group or of the pattern."""
        if depth > _MAX_DEPTH:
            raise _NotUnderstood
        branches = [self._concatenation(depth)]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._concatenation(depth))
        combined = frozenset(alternative for branch in branches for alternative in branch)
        return _ANYTHING if frozenset() in combined or len(combined) > _MAX_ALTERNATIVES else combined

    def _concatenation(self, depth: int) -> Alternatives:
        sequence = _Concatenation()
        while (character := self._peek()) and character not in "|)":
            self._at += 1
            if character == "\\":
                self._escape(sequence)
            elif character == "[":
                self._skip_class()
                sequence.add_any()
            elif character == "(":
                self._read_group(sequence, depth)
            elif character == ".":
                sequence.add_any()
            elif character in "*?":
                sequence.repeat(0)
            elif character == "+":
                sequence.repeat(1)
            elif character == "{" and (minimum := self._counts()) is not None:
                sequence.repeat(minimum)
            elif character not in "^$":
                sequence.add_character(character)
        return sequence.result()

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _escape(self, sequence: _Concatenation) -> None:
        character = self._pattern[self._at]
        self._at += 1
        if character == "Q":
            end = self._pattern.find("\\E", self._at)
            quoted = self._pattern[self._at : end if end >= 0 else None]
            self._at = end + 2 if end >= 0 else len(self._pattern)
            self._add_quoted(sequence, quoted)
        elif character in "pPx" and self._peek() == "{":
            self._at = self._pattern.index("}", self._at) + 1
            sequence.add_any()
        elif character in "pP":
            self._at += 1
            sequence.add_any()
        elif character == "x":
            self._at += 2
            sequence.add_any()
        elif character.isdigit():
            while self._peek().isdigit():
                self._at += 1
            sequence.add_any()
        elif character in _EMPTY_ESCAPES:
            return
        elif character in _CLASSES or character in _CONTROLS:
            sequence.add_any()
        elif character.isalpha():
            raise _NotUnderstood
        else:
            sequence.add_character(character)

    def _add_quoted(self, sequence: _Concatenation, characters: str) -> None:
        if not characters:
            self._reject_quantifier()
        for character in characters:
            sequence.add_character(character)

    def _skip_class(self) -> None:
        """The position is after the opening bracket. A closing bracket at the start is a member of the class."""
        if self._peek() == "^":
            self._at += 1
        if self._peek() == "]":
            self._at += 1
        while (character := self._pattern[self._at]) != "]":
            if character == "\\":
                self._at += 1
                if self._peek() == "Q":
                    raise _NotUnderstood
            elif self._pattern.startswith("[:", self._at):
                self._at = self._pattern.find(":]", self._at) + 1
                if self._at == 0:
                    raise _NotUnderstood
            self._at += 1
        self._at += 1

    def _read_group(self, sequence: _Concatenation, depth: int) -> None:
        if self._peek() == "?":
            while self._pattern[self._at] not in ":>)":
                self._at += 1
            self._at += 1
            if self._pattern[self._at - 1] == ")":
                sequence.add_any()
                self._reject_quantifier()
                return
        alternatives = self.alternatives(depth + 1)
        if self._peek() != ")":
            raise _NotUnderstood
        self._at += 1
        sequence.add_group(alternatives)

    def _counts(self) -> int | None:
        """The minimum of {2}, {2,} or {2,3} after its opening brace; null for a brace that is a character."""
        if self._peek() == ",":
            raise _NotUnderstood
        end = self._pattern.find("}", self._at)
        minimum, _, maximum = self._pattern[self._at : max(end, self._at)].partition(",")
        if not _is_number(minimum) or (maximum and not _is_number(maximum)):
            return None
        self._at = end + 1
        return int(minimum)

    def _reject_quantifier(self) -> None:
        """After something that matches no text: a quantifier applies to what is before that."""
        if self._pattern.startswith(("*", "+", "?", "{"), self._at):
            raise _NotUnderstood


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit()
