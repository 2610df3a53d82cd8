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
MAX_BYTES = 512 * 1024
MAX_NODES, MAX_DEPTH = 100_000, 100
_CPU_SECONDS = 2.0
# The parser in C is some twenty times faster; both give the same events.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TEXT = "tag:yaml.org,2002:str"


class InvalidYaml(ValueError):
    """One line for people, without a subject: what the text is, or is not."""


@dataclass(frozen=True)
class YamlScalar:
    """`kind` is the tag that YAML 1.1 gives the value: text, unless it is plain and looks like another type."""

    text: str
    kind: str

    @property
    def is_text(self) -> bool:
        return self.kind == _TEXT


@dataclass
class YamlList:
    items: list["Node"] = field(default_factory=list)


@dataclass
class YamlMap:
    """Of a key that stands twice, the later value counts."""

    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)

    def get(self, name: str) -> "Node | None":
        values = [value for key, value in self.pairs if isinstance(key, YamlScalar) and key.text == name]
        return values[-1] if values else None


Node = YamlScalar | YamlList | YamlMap


def parse_yaml(text: str) -> Node | None:
    """The only document of the text; null where there is none. Raises UnreadableYaml."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise InvalidYaml(f"larger than {MAX_BYTES:,} bytes")
    builder = _Builder()
    try:
        for event in _bounded_events(text):
            builder.take(event)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidYaml):
            raise
        raise InvalidYaml(f"no YAML ({type(error).__name__})") from None
    return builder.root


def _bounded_events(text: str) -> Iterator[yaml.Event]:
    """The events, as long as they are within the limits of number, depth and CPU time."""
    loader = _LOADER(text)
    ends, nodes, depth = time.thread_time() + _CPU_SECONDS, 0, 0
    try:
        while loader.check_event():
            event = loader.get_event()
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if nodes > MAX_NODES:
                raise InvalidYaml(f"more than {MAX_NODES:,} values")
            if depth > MAX_DEPTH:
                raise InvalidYaml(f"nested more than {MAX_DEPTH} levels deep")
            if time.thread_time() > ends:
                raise InvalidYaml(f"not read within {_CPU_SECONDS:g} s of CPU time")
            yield event
    finally:
        loader.dispose()


class _Builder:
    """Without recursion: what is open stands on a stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[tuple[YamlList | YamlMap, list[Node]]] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise InvalidYaml("more than one document")
            self._anchors.clear()
        elif isinstance(event, yaml.AliasEvent):
            self._put(self._known(event.anchor))
        elif isinstance(event, yaml.ScalarEvent):
            self._put(self._named(event, _scalar(event)))
        elif isinstance(event, yaml.CollectionStartEvent):
            made: YamlList | YamlMap = YamlMap() if isinstance(event, yaml.MappingStartEvent) else YamlList()
            self._put(self._named(event, made))
            self._open.append((made, []))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()

    def _known(self, anchor: str | None) -> Node:
        if anchor is None or anchor not in self._anchors:
            raise InvalidYaml("no YAML (an alias without an anchor)")
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
        if isinstance(made, YamlList):
            made.items = nodes
        else:
            made.pairs = list(zip(nodes[::2], nodes[1::2], strict=True))


# Longer values are text: no number or time is written with so many characters, and none is matched for it.
_MAX_TYPED_LENGTH = 100
_TYPES = yaml.SafeLoader.yaml_implicit_resolvers


def _scalar(event: yaml.ScalarEvent) -> YamlScalar:
    if event.tag not in (None, "!"):
        return YamlScalar(event.value, event.tag)
    plain = event.implicit[0] and len(event.value) <= _MAX_TYPED_LENGTH
    tried = _TYPES.get(event.value[:1], []) if plain else []
    kind = next((tag for tag, pattern in tried if pattern.match(event.value)), _TEXT)
    return YamlScalar(event.value, kind)


_MAX_LINES = 50
_TRUE, _TRUE_WORDS = "tag:yaml.org,2002:bool", ("yes", "true", "on")


class InvalidWorkflowFile(ValueError):
    """It is no workflow file; one line for people."""


def parse_schedule(text: str) -> list[Any]:
    """The lines of `on.schedule`; none where it has no schedule. One that names a time zone is a mapping of `cron` and
    `timezone`, the others are their `cron` alone. A time zone that is no text is kept as what it is written like."""
    try:
        root = parse_yaml(text)
    except InvalidYaml as error:
        raise InvalidWorkflowFile(f"the file is {error}") from None
    if not isinstance(root, YamlMap):
        raise InvalidWorkflowFile("the file is no workflow")
    events = _events(root)
    schedule = events.get("schedule") if isinstance(events, YamlMap) else None
    if not isinstance(schedule, YamlList):
        return []
    lines = [(each, _cron(each)) for each in schedule.items]
    return [_line(each, cron) for each, cron in lines if isinstance(each, YamlMap) and cron is not None][:_MAX_LINES]


def _events(root: YamlMap) -> Node | None:
    """YAML 1.1 reads the word `on` as true, and programs that write files by it write `true`."""
    named = root.get("on")
    if named is not None:
        return named
    true = [value for key, value in root.pairs if isinstance(key, YamlScalar) and _is_true(key)]
    return true[-1] if true else None


def _is_true(key: YamlScalar) -> bool:
    return key.kind == _TRUE and key.text.lower() in _TRUE_WORDS


def _cron(line: Node) -> str | None:
    given = line.get("cron") if isinstance(line, YamlMap) else None
    return " ".join(given.text.split())[:100] if isinstance(given, YamlScalar) and given.is_text else None


def _line(line: YamlMap, cron: str) -> Any:
    zone = line.get("timezone")
    if zone is None:
        return cron
    text = zone.text if isinstance(zone, YamlScalar) and not zone.kind.endswith(":null") else ""
    return {"cron": cron, "timezone": text[:100]}
