"""YAML from outside as a tree of plain text, built from the parser's events in time and room linear in its size.

Nothing is constructed: merge keys (`<<`) are ordinary keys and an alias refers to the node that has its anchor, so
that no file stands for more than it holds. Every scalar is its text.

The schedule that a workflow file asks for. Pure.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

# GitHub takes no larger workflow file.
MOST_BYTES = 512 * 1024
MOST_NODES, MOST_DEPTH = 100_000, 100
_CPU_SECONDS = 2.0
# The parser in C is some twenty times faster; both give the same events.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TEXT = "tag:yaml.org,2002:str"


class UnreadableYaml(ValueError):
    """One line for people, without a subject: what the text is, or is not."""


@dataclass(frozen=True)
class Scalar:
    """`kind` is the tag that YAML 1.1 gives the value: text, unless it is plain and looks like another type."""

    text: str
    kind: str

    @property
    def is_text(self) -> bool:
        return self.kind == _TEXT


@dataclass
class List:
    items: list["Node"] = field(default_factory=list)


@dataclass
class Map:
    """Of a key that stands twice, the later value counts."""

    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)

    def get(self, name: str) -> "Node | None":
        values = [value for key, value in self.pairs if isinstance(key, Scalar) and key.text == name]
        return values[-1] if values else None


Node = Scalar | List | Map


def tree(text: str) -> Node | None:
    """The only document of the text; null where there is none. Raises UnreadableYaml."""
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise UnreadableYaml(f"larger than {MOST_BYTES:,} bytes")
    builder = _Builder()
    try:
        for event in _bounded(text):
            builder.take(event)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UnreadableYaml):
            raise
        raise UnreadableYaml(f"no YAML ({type(error).__name__})") from None
    return builder.root


def _bounded(text: str) -> Iterator[yaml.Event]:
    """The events, as long as they are within the limits of number, depth and CPU time."""
    loader = _LOADER(text)
    ends, nodes, depth = time.thread_time() + _CPU_SECONDS, 0, 0
    try:
        while loader.check_event():
            event = loader.get_event()
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if nodes > MOST_NODES:
                raise UnreadableYaml(f"more than {MOST_NODES:,} values")
            if depth > MOST_DEPTH:
                raise UnreadableYaml(f"nested more than {MOST_DEPTH} levels deep")
            if time.thread_time() > ends:
                raise UnreadableYaml(f"not read within {_CPU_SECONDS:g} s of CPU time")
            yield event
    finally:
        loader.dispose()


class _Builder:
    """Without recursion: what is open stands on a stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[tuple[List | Map, list[Node]]] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise UnreadableYaml("more than one document")
            self._anchors.clear()
        elif isinstance(event, yaml.AliasEvent):
            self._put(self._known(event.anchor))
        elif isinstance(event, yaml.ScalarEvent):
            self._put(self._named(event, _scalar(event)))
        elif isinstance(event, yaml.CollectionStartEvent):
            made: List | Map = Map() if isinstance(event, yaml.MappingStartEvent) else List()
            self._put(self._named(event, made))
            self._open.append((made, []))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()

    def _known(self, anchor: str | None) -> Node:
        if anchor is None or anchor not in self._anchors:
            raise UnreadableYaml("no YAML (an alias without an anchor)")
        return self._anchors[anchor]

    def _named(self, event: yaml.NodeEvent, node: Node) -> Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _put(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node

    def _close(self) -> None:
        made, nodes = self._open.pop()
        if isinstance(made, List):
            made.items = nodes
        else:
            made.pairs = list(zip(nodes[::2], nodes[1::2], strict=True))


# Longer values are text: no number or time is written with so many characters, and none is matched for it.
_LONGEST_OF_ANOTHER_TYPE = 100
_TYPES = yaml.SafeLoader.yaml_implicit_resolvers


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    if event.tag not in (None, "!"):
        return Scalar(event.value, event.tag)
    plain = event.implicit[0] and len(event.value) <= _LONGEST_OF_ANOTHER_TYPE
    tried = _TYPES.get(event.value[:1], []) if plain else []
    kind = next((tag for tag, pattern in tried if pattern.match(event.value)), _TEXT)
    return Scalar(event.value, kind)


_MOST = 50
_TRUE, _YES = "tag:yaml.org,2002:bool", ("yes", "true", "on")


class UnreadableFile(ValueError):
    """It is no workflow file; one line for people."""


def crons_of(text: str) -> list[Any]:
    """The lines of `on.schedule`; none where it has no schedule. One that names a time zone is a mapping of `cron` and
    `timezone`, the others are their `cron` alone. A time zone that is no text is kept as what it is written like."""
    try:
        root = tree(text)
    except UnreadableYaml as error:
        raise UnreadableFile(f"the file is {error}") from None
    if not isinstance(root, Map):
        raise UnreadableFile("the file is no workflow")
    events = _events(root)
    schedule = events.get("schedule") if isinstance(events, Map) else None
    if not isinstance(schedule, List):
        return []
    lines = [(each, _cron(each)) for each in schedule.items]
    return [_line(each, cron) for each, cron in lines if isinstance(each, Map) and cron is not None][:_MOST]


def _events(root: Map) -> Node | None:
    """YAML 1.1 reads the word `on` as true, and programs that write files by it write `true`."""
    named = root.get("on")
    if named is not None:
        return named
    true = [value for key, value in root.pairs if isinstance(key, Scalar) and _is_true(key)]
    return true[-1] if true else None


def _is_true(key: Scalar) -> bool:
    return key.kind == _TRUE and key.text.lower() in _YES


def _cron(line: Node) -> str | None:
    given = line.get("cron") if isinstance(line, Map) else None
    return " ".join(given.text.split())[:100] if isinstance(given, Scalar) and given.is_text else None


def _line(line: Map, cron: str) -> Any:
    zone = line.get("timezone")
    if zone is None:
        return cron
    text = zone.text if isinstance(zone, Scalar) and not zone.kind.endswith(":null") else ""
    return {"cron": cron, "timezone": text[:100]}
