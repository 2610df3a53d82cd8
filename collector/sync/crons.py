"""The schedule that a workflow file asks for. Pure."""

from typing import Any

from collector.yaml_tree import List, Map, Node, Scalar, UnreadableYaml, tree

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
