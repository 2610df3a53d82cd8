"""The schedule in a workflow file, read with a parser for untrusted YAML. Pure.

The parser builds a tree of text from the events of PyYAML, in time and memory linear in the size of the file. It
constructs no objects: merge keys (`<<`) are ordinary keys, and an alias refers to the node that has its anchor, so that
no file expands to more than it holds.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

# GitHub accepts no larger workflow file.
MAX_BYTES = 512 * 1024
MAX_NODES, MAX_DEPTH = 100_000, 100
_CPU_SECONDS = 2.0
# The parser in C is about twenty times faster; both produce the same events.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TEXT = "tag:yaml.org,2002:str"
# Longer values are text: no number or time is that long, and matching the patterns would take time.
_MAX_TYPED_LENGTH = 100
_TYPES = yaml.SafeLoader.yaml_implicit_resolvers
_MAX_LINES = 50
_TRUE, _TRUE_WORDS = "tag:yaml.org,2002:bool", ("yes", "true", "on")


class InvalidYaml(ValueError):
    """The message is a predicate for "the file is …"."""


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
    """Of a repeated key, the last value counts."""

    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)

    def get(self, name: str) -> "Node | None":
        values = [value for key, value in self.pairs if isinstance(key, YamlScalar) and key.text == name]
        return values[-1] if values else None


Node = YamlScalar | YamlList | YamlMap


def parse_yaml(text: str) -> Node | None:
    """The root of the only document; null if the text has none. Raises InvalidYaml."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise InvalidYaml(f"larger than {MAX_BYTES:,} bytes")
    builder = _Builder()
    try:
        for event in _bounded_events(text):
            builder.take(event)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidYaml):
            raise
        raise InvalidYaml(f"not valid YAML ({type(error).__name__})") from None
    return builder.root


def _bounded_events(text: str) -> Iterator[yaml.Event]:
    """The parser's events. Raises InvalidYaml beyond the limits of number, depth and CPU time."""
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
    """Builds the tree without recursion, with a stack of open collections."""

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
            self._put(self._resolve(event.anchor))
        elif isinstance(event, yaml.ScalarEvent):
            self._put(self._anchored(event, _scalar(event)))
        elif isinstance(event, yaml.CollectionStartEvent):
            node: YamlList | YamlMap = YamlMap() if isinstance(event, yaml.MappingStartEvent) else YamlList()
            self._put(self._anchored(event, node))
            self._open.append((node, []))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()

    def _resolve(self, anchor: str | None) -> Node:
        if anchor is None or anchor not in self._anchors:
            raise InvalidYaml("not valid YAML (an alias without an anchor)")
        return self._anchors[anchor]

    def _anchored(self, event: yaml.NodeEvent, node: Node) -> Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _put(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node

    def _close(self) -> None:
        node, children = self._open.pop()
        if isinstance(node, YamlList):
            node.items = children
        else:
            node.pairs = list(zip(children[::2], children[1::2], strict=True))


def _scalar(event: yaml.ScalarEvent) -> YamlScalar:
    if event.tag not in (None, "!"):
        return YamlScalar(event.value, event.tag)
    plain = event.implicit[0] and len(event.value) <= _MAX_TYPED_LENGTH
    candidates = _TYPES.get(event.value[:1], []) if plain else []
    kind = next((tag for tag, pattern in candidates if pattern.match(event.value)), _TEXT)
    return YamlScalar(event.value, kind)


class InvalidWorkflowFile(ValueError):
    """The text is not a workflow file; the message is one line for people."""


def parse_schedule(text: str) -> list[Any]:
    """The entries of `on.schedule`, empty without a schedule: cron expressions, or dicts of `cron` and `timezone` if an
    entry has a time zone. A time zone that is not a string is kept as it is written. Raises InvalidWorkflowFile."""
    try:
        root = parse_yaml(text)
    except InvalidYaml as error:
        raise InvalidWorkflowFile(f"the file is {error}") from None
    if not isinstance(root, YamlMap):
        raise InvalidWorkflowFile("the file is not a workflow")
    events = _events(root)
    schedule = events.get("schedule") if isinstance(events, YamlMap) else None
    if not isinstance(schedule, YamlList):
        return []
    entries = [(item, _cron(item)) for item in schedule.items]
    return [_entry(item, cron) for item, cron in entries if isinstance(item, YamlMap) and cron is not None][:_MAX_LINES]


def _events(root: YamlMap) -> Node | None:
    """The value of `on`. YAML 1.1 reads the word `on` as true, and programs that generate YAML write `true`."""
    events = root.get("on")
    if events is not None:
        return events
    values = [value for key, value in root.pairs if isinstance(key, YamlScalar) and _is_true(key)]
    return values[-1] if values else None


def _is_true(key: YamlScalar) -> bool:
    return key.kind == _TRUE and key.text.lower() in _TRUE_WORDS


def _cron(item: Node) -> str | None:
    cron = item.get("cron") if isinstance(item, YamlMap) else None
    return " ".join(cron.text.split())[:100] if isinstance(cron, YamlScalar) and cron.is_text else None


def _entry(item: YamlMap, cron: str) -> Any:
    zone = item.get("timezone")
    if zone is None:
        return cron
    text = zone.text if isinstance(zone, YamlScalar) and not zone.kind.endswith(":null") else ""
    return {"cron": cron, "timezone": text[:100]}
