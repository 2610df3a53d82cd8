"""The regular expressions of the product, texts that are bad for each, and how its CPU time grows with them.

`python -m tests.expressions` measures all of them and writes one JSON object a line: whoever starts it limits its CPU
time, and knows by the last line which expression used it up."""

import ast
import importlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from time import thread_time
from types import ModuleType
from typing import Any

from tests.growth import SUBQUADRATIC

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "db", "health", "collector", "api", "app", "deploy")
# They run when they are imported.
_PROGRAMS = ("app/main.py", "app/shell.py", "app/views/", "db/migrations/", "__main__.py")
_CALLS = ("compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
_ANCHORED = {"match", "fullmatch"}
# Characters of a text; the last is that of the worst one alone.
FIRST, WHOLE = 3_000, 1_000_000
# CPU time below which growth is not told from noise.
_LEAST_SECONDS = 0.001
_REPEATS = 3
_LONG_SECONDS = 0.04


@dataclass(frozen=True)
class Expression:
    """`anchored`: it is only ever applied at the beginning of a text, never looked for in it."""

    place: str
    pattern: re.Pattern[Any]
    anchored: bool

    def text(self, given: str) -> Any:
        return given.encode("latin-1", "replace") if isinstance(self.pattern.pattern, bytes) else given

    def apply(self, text: Any) -> None:
        if self.anchored:
            self.pattern.match(text)
            self.pattern.fullmatch(text)
            return
        for _ in self.pattern.finditer(text):
            pass


def expressions() -> list[Expression]:
    """One for each source, flags and way of use: calls of `re` in the sources, and what modules hold compiled."""
    found: dict[tuple[Any, int, bool], Expression] = {}
    sources = [(path, ast.parse(path.read_text("utf-8"))) for path in _sources()]
    uses_anywhere = _uses(tree for _, tree in sources)
    for path, tree in sources:
        module = _module(path)
        # Names of a module alone begin so.
        own = {name: ways for name, ways in _uses([tree]).items() if name.startswith("_")}
        uses = uses_anywhere | own
        compiled = _compiled(module, uses) if module else ()
        for each in (*_written(path, tree, module, uses), *compiled):
            found.setdefault((each.pattern.pattern, each.pattern.flags, each.anchored), each)
    return list(found.values())


def unread(held: set[Any]) -> list[str]:
    """Calls of `re` whose expression is made while the program runs, and is none of those that are `held`."""
    found = []
    for path in _sources():
        module = _module(path)
        for call in _calls(ast.parse(path.read_text("utf-8"))):
            source = _value(call.args[0], module)
            if source is None or (source not in held and not isinstance(source, re.Pattern)):
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(call.args[0])}")
    return found


def _sources() -> Iterator[Path]:
    yield ROOT / "launch.py"
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def _module(path: Path) -> ModuleType | None:
    """Null for what is a program: its calls are read, its names are not."""
    name = path.relative_to(ROOT).as_posix()
    if any(each in name for each in _PROGRAMS):
        return None
    return importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        function = getattr(node, "func", None)
        if isinstance(function, ast.Attribute) and function.attr in _CALLS and ast.unparse(function.value) == "re":
            yield node  # type: ignore[misc]


def _value(node: ast.expr, module: ModuleType | None) -> Any:
    """What an expression of the sources stands for; null where it depends on more than its module."""
    try:
        return eval(compile(ast.Expression(node), "", "eval"), dict(vars(module)) if module else {"re": re})
    except NameError:
        return None


def _written(path: Path, tree: ast.AST, module: ModuleType | None, uses: dict[str, set[str]]) -> Iterator[Expression]:
    named = {id(node.value): ast.unparse(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign)}
    for call in _calls(tree):
        source = _value(call.args[0], module)
        if not isinstance(source, str | bytes):
            continue
        function = call.func.attr  # type: ignore[attr-defined]
        place = 1 if function == "compile" else None
        given = [each.value for each in call.keywords if each.arg == "flags"] + call.args[1:2] * bool(place)
        flags = _value(given[0], module) if given else 0
        ways = uses.get(named.get(id(call), ""), set()) if function == "compile" else {function}
        yield Expression(f"{path.relative_to(ROOT)}:{call.lineno}", re.compile(source, flags), _anchored(ways))


def _anchored(ways: set[str]) -> bool:
    return bool(ways) and ways <= _ANCHORED


def _uses(trees: Iterable[ast.AST]) -> dict[str, set[str]]:
    """By the name of an expression, the methods of it that are called; `search` where it is handed on as a value."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        methods = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                methods[id(node.value)] = node.attr
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.setdefault(node.id, set()).add(methods.get(id(node), "search"))
    return found


def _compiled(module: ModuleType, uses: dict[str, set[str]]) -> Iterator[Expression]:
    for name, value in vars(module).items():
        for number, pattern in enumerate(_within(value)):
            anchored = isinstance(value, re.Pattern) and _anchored(uses.get(name, set()))
            yield Expression(f"{module.__name__}.{name}[{number}]", pattern, anchored)


def _within(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth > 5 or isinstance(value, str | bytes | int | float | type | ModuleType | None):
        return
    elif isinstance(value, dict):
        for each in value.values():
            yield from _within(each, depth + 1)
    elif isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from _within(each, depth + 1)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _within(getattr(value, field.name), depth + 1)
    elif type(value).__module__.partition(".")[0] in PACKAGES:
        yield from _within(getattr(value, "__dict__", {}), depth + 1)


# Texts


def pumps(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """Texts as what comes first, what is repeated, and what comes last: beginnings of a match, each part of it behind
    what leads to it, and each character that the expression tells apart."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = _parser.parse(source, pattern.flags & ~re.DEBUG)
    found: dict[tuple[str, str, str], None] = {}
    for pick in (0, -1):
        pieces = _pieces(tree, pick)
        beginnings = list(itertools.accumulate(pieces))
        for repeated in [*pieces, *beginnings, *(each + " " for each in beginnings)]:
            found["", repeated[:400], "\0"] = None
        before = ""
        for piece in pieces:
            found[before[-400:], piece[:400], "\0"] = None
            before += piece
    for character in _alphabet(tree):
        found["", character, "\0"] = found["", character, ""] = None
        found["", character + " ", "\0"] = None
    return [each for each in found if each[1]]


def _pieces(tree: Any, pick: int) -> list[str]:
    """A text that matches, in pieces."""
    found: list[str] = []
    for kind, value in tree:
        found += _piece(str(kind), value, pick)
    return [each for each in found if each]


def _piece(kind: str, value: Any, pick: int) -> list[str]:  # noqa: PLR0911 - one for each kind
    if kind == "LITERAL":
        return [chr(value)]
    if kind == "IN":
        return [_members(value)[pick]]
    if kind in ("ANY", "NOT_LITERAL"):
        return ["x" if pick == 0 else " "]
    if kind == "BRANCH":
        ways = value[1] if pick == 0 else value[1][-1:]
        return ["".join(_pieces(each, pick)) for each in ways]
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        return ["".join(_pieces(inner, pick)) * min(max(int(least), 2), int(most), 12)]
    if kind == "SUBPATTERN":
        return _pieces(value[3], pick)
    if kind == "ATOMIC_GROUP":
        return _pieces(value, pick)
    if kind == "ASSERT":
        return ["".join(_pieces(value[1], pick))]
    return []


_CLASSES = {
    _constants.CATEGORY_DIGIT: "7", _constants.CATEGORY_SPACE: " ", _constants.CATEGORY_WORD: "w",
    _constants.CATEGORY_NOT_SPACE: "x", _constants.CATEGORY_NOT_WORD: "-", _constants.CATEGORY_NOT_DIGIT: "x",
}  # fmt: skip


def _members(members: Any) -> list[str]:
    """One character of each of them; of a class that names what is not in it, some that are."""
    if str(members[0][0]) == "NEGATE":
        named = _members([*members[1:], (_constants.LITERAL, 0)])
        return [each for each in "x -7_.:/[\t" if each not in named] or ["é"]
    found = []
    for kind, value in members:
        if str(kind) == "LITERAL":
            found.append(chr(value))
        elif str(kind) == "RANGE":
            found.append(chr(value[0]))
        else:
            found.append(_CLASSES.get(value, "x"))
    return found


def _alphabet(tree: Any) -> set[str]:
    """Characters that stand for all that the expression tells apart."""
    found = {"a", " "}
    for kind, value in tree:
        name = str(kind)
        if name in ("LITERAL", "NOT_LITERAL"):
            found.add(chr(value))
        elif name == "IN":
            found |= set(_members(value)[:3])
        elif name == "BRANCH":
            found |= {each for way in value[1] for each in _alphabet(way)}
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            found |= _alphabet(value[2])
        elif name == "SUBPATTERN":
            found |= _alphabet(value[3])
        elif name == "ATOMIC_GROUP":
            found |= _alphabet(value)
        elif name in ("ASSERT", "ASSERT_NOT"):
            found |= _alphabet(value[1])
    return found


# Measuring


def trouble(expression: Expression) -> str | None:
    """The text with which CPU time grows faster than the text; null where there is none."""
    worst, most = None, 0.0
    for first, repeated, last in pumps(expression.pattern):

        def made(size: int, first: str = first, repeated: str = repeated, last: str = last) -> Any:
            return expression.text(first + repeated * (size // len(repeated)) + last)

        size, seconds = FIRST, _seconds(expression, made(FIRST))
        if (grown := _grown(expression, made, size, seconds)) is not None:
            return f"{first[:40]!r} + {repeated[:60]!r} * n + {last!r}: {grown:.1f} times for {size:,} → {4 * size:,}"
        if seconds >= most:
            worst, most = made, seconds
    if worst is not None:
        # The larger of two is as long as a whole log has lines of, unless that takes long however linear.
        size = max(FIRST, min(WHOLE // 4, int(FIRST * _LONG_SECONDS / max(most, 1e-6))))
        if (grown := _grown(expression, worst, size, _seconds(expression, worst(size)))) is not None:
            return f"{worst(60)!r}: {grown:.1f} times for {size:,} → {4 * size:,}"
    return None


def _grown(expression: Expression, made: Callable[[int], Any], size: int, seconds: float) -> float | None:
    """How many times as long four times the text takes, where that is more than linear."""
    large = made(4 * size)
    longer = _seconds(expression, large)
    if longer < _LEAST_SECONDS or longer < SUBQUADRATIC * seconds:
        return None
    small = made(size)
    seconds = min(seconds, *(_seconds(expression, small) for _ in range(_REPEATS)))
    longer = min(longer, *(_seconds(expression, large) for _ in range(_REPEATS)))
    return longer / seconds if longer > SUBQUADRATIC * seconds else None


def _seconds(expression: Expression, text: Any) -> float:
    begun = thread_time()
    expression.apply(text)
    return thread_time() - begun


def main() -> None:
    found = expressions()
    print(json.dumps({"unread": unread({each.pattern.pattern for each in found})}), flush=True)
    for each in found:
        print(json.dumps({"begun": each.place}), flush=True)
        begun, bad = thread_time(), trouble(each)
        line = {"place": each.place, "pattern": str(each.pattern.pattern)[:200], "trouble": bad}
        print(json.dumps({**line, "seconds": thread_time() - begun}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
