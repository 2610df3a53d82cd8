"""Index of the patterns of a CODEOWNERS file: which one of thousands is the last that matches a path. Pure.

A pattern is a sequence of segments, and the index is a tree of them that a path descends once. Segments with wildcards
are looked up by their literal start and end. The work for a path does not grow with the number of patterns, except for
those that match its start and for wildcards without a literal start or end. Nothing is matched by backtracking: each
node of the tree is visited at most once per segment of the path.
"""

from collections.abc import Iterable, Iterator

# The position of a pattern that does not exist.
NO_MATCH = -1
# Directories whose state is stored for the next path.
_MAX_STATES = 50_000
_ANY_SEGMENTS, _ANY_SEGMENT = "**", "*"
# The characters between two `*`; null is any character.
_Piece = tuple[str | None, ...]
_Entry = tuple[tuple[_Piece, ...], "_Node"]
# The nodes that a directory reaches, and the last pattern that matches everything in it.
_State = tuple[tuple["_Node", ...], int]


class InvalidPattern(ValueError):
    """GitHub does not support the pattern; the message is one line for people."""


class PatternIndex:
    def __init__(self) -> None:
        self._root = _Node()
        self._states: dict[str, _State] = {}

    def add(self, pattern: str, position: int) -> None:
        """`position` is greater than that of all patterns before. Raises InvalidPattern."""
        *parents, last = _segments(pattern)
        self._states.clear()
        node = self._root
        node.last = position
        for segment in parents:
            node = node.child(segment)
            node.last = position
        if last == _ANY_SEGMENTS:
            node.below = position
            return
        node = node.child(last)
        node.last = position
        if last == _ANY_SEGMENT:
            node.here = position
        else:
            node.tree = position

    def last_match(self, path: str) -> int:
        """The position of the last pattern that matches the file with this path from the root of the repository;
        NO_MATCH without one."""
        directory, _, name = path.rpartition("/")
        nodes, best = self._state(directory)
        for node in _next_nodes(nodes, name, best):
            best = max(best, node.here, node.tree)
        return best

    def _state(self, directory: str) -> _State:
        state = self._states.get(directory)
        if state is not None:
            return state
        names, known = directory.split("/") if directory else [], 0
        state = self._states.setdefault("", _directory_state((self._root,), NO_MATCH))
        for known in range(len(names) - 1, 0, -1):
            parent = self._states.get("/".join(names[:known]))
            if parent is not None:
                state = parent
                break
        else:
            known = 0
        for end in range(known, len(names)):
            nodes, best = state
            state = _directory_state(_next_nodes(nodes, names[end], best), best)
            if len(self._states) >= _MAX_STATES:
                self._states.clear()
            self._states["/".join(names[: end + 1])] = state
        return state


class _Node:
    """A position in patterns. `here`, `tree` and `below` are the last pattern that ends here and matches the path
    itself, the path and what is in it, or only what is in it; `last` is the last pattern that passes or ends here."""

    __slots__ = ("any_segments", "below", "here", "is_repeated", "last", "literals", "tree", "wildcards")

    def __init__(self, *, is_repeated: bool = False) -> None:
        self.here = self.tree = self.below = self.last = NO_MATCH
        self.literals: dict[str, _Node] = {}
        self.wildcards: _Wildcards | None = None
        self.any_segments: _Node | None = None
        # The node of `**` stays reached after any segment.
        self.is_repeated = is_repeated

    def child(self, segment: str) -> "_Node":
        if segment == _ANY_SEGMENTS:
            if self.is_repeated:
                return self
            self.any_segments = self.any_segments or _Node(is_repeated=True)
            return self.any_segments
        pieces = _pieces(segment)
        if len(pieces) == 1 and None not in pieces[0]:
            return self.literals.setdefault(_literal_start(pieces[0]), _Node())
        self.wildcards = self.wildcards or _Wildcards()
        return self.wildcards.child(pieces)


class _Wildcards:
    """The children of a node whose segments have wildcards, by the length and text of the literal start, and then of
    the literal end."""

    __slots__ = ("_nodes", "_starts")

    def __init__(self) -> None:
        self._nodes: dict[tuple[_Piece, ...], _Node] = {}
        self._starts: dict[int, dict[str, dict[int, dict[str, list[_Entry]]]]] = {}

    def child(self, pieces: tuple[_Piece, ...]) -> _Node:
        node = self._nodes.get(pieces)
        if node is None:
            node = self._nodes[pieces] = _Node()
            start, end = _literal_start(pieces[0]), _literal_start(pieces[-1][::-1])[::-1]
            ends = self._starts.setdefault(len(start), {}).setdefault(start, {})
            ends.setdefault(len(end), {}).setdefault(end, []).append((pieces, node))
        return node

    def matching(self, name: str, best: int) -> Iterator[_Node]:
        """The children that the segment `name` reaches and that lead to a pattern after `best`."""
        size = len(name)
        for length, starts in self._starts.items():
            ends = starts.get(name[:length]) if length <= size else None
            for end_length, entries in ends.items() if ends else ():
                if end_length > size:
                    continue
                for pieces, node in entries.get(name[size - end_length :], ()):
                    if node.last > best and _matches(pieces, name):
                        yield node


def _segments(pattern: str) -> list[str]:
    """The segments of a pattern from the root. Without a slash at its start or in it, a pattern starts with `**`; with
    one at its end, it ends with `**`."""
    if "***" in pattern:
        raise InvalidPattern("a pattern cannot contain ***")
    if "[" in pattern or "]" in pattern:
        raise InvalidPattern("character ranges with [ ] are not supported")
    segments = pattern.split("/")
    if segments[-1] == "" and len(segments) > 1:
        segments[-1] = _ANY_SEGMENTS
    if segments[0] == "":
        del segments[0]
    elif len(segments) == 1 or (len(segments) == 2 and pattern.endswith("/")):
        segments.insert(0, _ANY_SEGMENTS)
    if "" in segments or pattern == "/":
        raise InvalidPattern("the pattern matches no file")
    if any(_ends_in_escape(segment) for segment in segments):
        raise InvalidPattern("a backslash is not followed by the character that it escapes")
    # `*` matches files in every directory.
    return [_ANY_SEGMENTS] if segments == [_ANY_SEGMENTS, _ANY_SEGMENT] else segments


def _ends_in_escape(segment: str) -> bool:
    return (len(segment) - len(segment.rstrip("\\"))) % 2 == 1


def _pieces(segment: str) -> tuple[_Piece, ...]:
    """The characters of a segment between its `*`. A backslash makes the next character literal."""
    pieces: list[list[str | None]] = [[]]
    characters = iter(segment)
    for character in characters:
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(None)
        else:
            pieces[-1].append(next(characters) if character == "\\" else character)
    return tuple(map(tuple, pieces))


def _literal_start(piece: _Piece) -> str:
    """The characters before the first `?`."""
    end = piece.index(None) if None in piece else len(piece)
    return "".join(character or "" for character in piece[:end])


def _matches(pieces: tuple[_Piece, ...], name: str) -> bool:
    """Whether a segment matches. Of pieces between two `*`, the leftmost place is right if any is."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return len(name) == len(first) and _is_at(first, name, 0)
    start, end = len(first), len(name) - len(last)
    if start > end or not _is_at(first, name, 0) or not _is_at(last, name, end):
        return False
    for piece in pieces[1:-1]:
        while start + len(piece) <= end and not _is_at(piece, name, start):
            start += 1
        start += len(piece)
        if start > end:
            return False
    return name != ""


def _is_at(piece: _Piece, name: str, start: int) -> bool:
    return all(character is None or character == name[start + at] for at, character in enumerate(piece))


def _next_nodes(nodes: Iterable[_Node], name: str, best: int) -> list[_Node]:
    """The nodes that the segment `name` reaches and that lead to a pattern after `best`."""
    reached: list[_Node] = []
    for node in nodes:
        if node.is_repeated:
            reached.append(node)
        literal = node.literals.get(name)
        if literal is not None and literal.last > best:
            reached.append(literal)
        if node.wildcards is not None:
            reached.extend(node.wildcards.matching(name, best))
    return reached


def _directory_state(nodes: Iterable[_Node], best: int) -> _State:
    """The state of a directory that reaches these nodes, where `best` matches everything in it."""
    reached: dict[_Node, None] = {}
    for node in nodes:
        reached[node] = None
        if node.any_segments is not None:
            reached[node.any_segments] = None
    for node in reached:
        best = max(best, node.tree, node.below)
    return tuple(node for node in reached if node.last > best), best
