"""TEAMS_FILE: teams, channels, the catch-all route, mentions, digests and organizations of GitHub, in YAML. Pure.

A fault is one line with the file, the line, the key and what is allowed. Unknown and repeated keys are faults. Secrets
are references (env:NAME, file:/path); a message never contains the value of a field for a secret."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from core.text import clean
from health.teams.definition import MAX_TEAMS, InvalidTeam, TeamDefinition, check_team

SECTIONS = ("channels", "teams", "catch_all", "mentions", "digest", "github")
CHANNEL_KINDS = ("slack", "email", "webhook", "pagerduty", "opsgenie", "apprise")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_BYTES = 1_000_000
# Fields of channels with a secret; a URL of a channel contains one.
_SECRET_FIELDS = frozenset(
    ("token", "webhook_url", "url", "secret", "integration_key", "routing_key", "api_key", "smtp_url", "password")
)
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,99}|file:/[^\x00-\x1f\x7f]{1,300}")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,58}[A-Za-z0-9])?")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})?(?:\[bot\])?")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_SLACK_MEMBER = re.compile(r"[UW][A-Z0-9]{2,30}")
_MAX_MENTIONS, _MAX_ORGANIZATIONS, _MAX_CHANNELS = 20_000, 100, 500
_DIGEST_KEYS = ("weekday", "hour", "time_zone", "all")

# Checks the fields of a channel; raises ValueError with one line.
CheckChannel = Callable[[str, Mapping[str, Any]], object]


class InvalidTeamsFile(ValueError):
    """The file cannot be used; the message is one line."""


@dataclass(frozen=True)
class TeamsFile:
    """`catch_all`, `mentions`, `digest` and `github` are null where the file does not have the section. `channels`: the
    fields of each channel as they are written, with its kind."""

    teams: tuple[TeamDefinition, ...] = ()
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    catch_all: tuple[str, ...] | None = None
    mentions: Mapping[str, str] | None = None
    digest: Mapping[str, Any] | None = None
    github: Mapping[str, Any] | None = None

    def settings(self) -> dict[str, dict[str, Any]]:
        """The sections that are stored as settings, by name."""
        values: dict[str, dict[str, Any] | None] = {
            "catch_all": None if self.catch_all is None else {"channels": list(self.catch_all)},
            "mentions": None if self.mentions is None else dict(self.mentions),
            "digest": None if self.digest is None else dict(self.digest),
            "github": None if self.github is None else dict(self.github),
        }
        return {name: value for name, value in values.items() if value is not None}


class _Fault(Exception):
    """A fault at a path of keys and indexes."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


class _RepeatedKey(yaml.constructor.ConstructorError):
    pass


class _Loader(yaml.SafeLoader):
    """Rejects repeated keys, of which YAML would use the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _RepeatedKey(None, None, f"the key {key.value[:60]!r} is repeated", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_teams_file(path: str, *, check_channel: CheckChannel | None = None) -> TeamsFile:
    """The content of the file. Raises InvalidTeamsFile."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "invalid path"
        raise InvalidTeamsFile(f"cannot read {path}: {reason}; set the path of a readable file") from None
    return parse_teams_file(data, path, check_channel=check_channel)


def parse_teams_file(data: bytes, path: str, *, check_channel: CheckChannel | None = None) -> TeamsFile:
    """`path` is for messages; `check_channel` checks the fields of each channel. Raises InvalidTeamsFile."""
    if len(data) > MAX_BYTES:
        raise InvalidTeamsFile(f"{path} is larger than {MAX_BYTES:,} bytes, the limit of a file of teams")
    try:
        loader = _Loader(data.decode("utf-8-sig"))
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else {}
    except UnicodeDecodeError:
        raise InvalidTeamsFile(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise InvalidTeamsFile(f"{path}{_yaml_position(error)}") from None
    try:
        return _parse(content, check_channel)
    except _Fault as fault:
        line = _line(node, fault.path)
        where = ": ".join(str(key) for key in fault.path if isinstance(key, str))
        message = f"{path}, line {line}: {f'{where}: ' if where else ''}{fault.message}"
        raise InvalidTeamsFile(clean(message)) from None


def _parse(content: object, check_channel: CheckChannel | None) -> TeamsFile:
    sections = _mapping((), content if content is not None else {}, SECTIONS)
    values = {name: value for name, value in sections.items() if value is not None}
    return TeamsFile(
        teams=tuple(_teams(values.get("teams", []))),
        channels=_channels(values.get("channels", {}), check_channel),
        catch_all=_names(("catch_all",), values["catch_all"]) if "catch_all" in values else None,
        mentions=_mentions(values["mentions"]) if "mentions" in values else None,
        digest=_digest(values["digest"]) if "digest" in values else None,
        github=_github(values["github"]) if "github" in values else None,
    )


def _teams(value: object) -> Iterator[TeamDefinition]:
    if not isinstance(value, list):
        raise _Fault(("teams",), "expected a list of teams, each with a name")
    if len(value) > MAX_TEAMS:
        raise _Fault(("teams",), f"more than {MAX_TEAMS:,} teams")
    keys: set[str] = set()
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise _Fault(("teams", index), "expected a mapping with a name, such as {name: Payments}")
        fields = {key: entry for key, entry in item.items() if key != "name" and entry is not None}
        try:
            team = check_team(item.get("name"), fields)
        except InvalidTeam as error:
            key, _, _ = str(error).partition(":")
            name = item.get("name")
            label = f"{name[:60]}: " if isinstance(name, str) and key != "name" else ""
            raise _Fault(("teams", index, key) if key in item else ("teams", index), f"{label}{error}") from None
        if team.key in keys:
            raise _Fault(("teams", index, "name"), f"there are two teams {team.name!r}; write one")
        keys.add(team.key)
        yield team


def _channels(value: object, check_channel: CheckChannel | None) -> dict[str, dict[str, Any]]:
    channels = _mapping(("channels",), value)
    if len(channels) > _MAX_CHANNELS:
        raise _Fault(("channels",), f"more than {_MAX_CHANNELS} channels")
    return {name: _channel(name, fields, check_channel) for name, fields in channels.items()}


def _channel(name: str, value: object, check_channel: CheckChannel | None) -> dict[str, Any]:
    path = ("channels", name)
    if not _CHANNEL_NAME.fullmatch(name):
        raise _Fault(path, "invalid name; expected at most 60 letters, digits and . _ - in between")
    fields = _mapping(path, value)
    kind = fields.get("kind")
    if kind not in CHANNEL_KINDS:
        shown = f"invalid value {str(kind)[:40]!r}" if isinstance(kind, str) else "missing"
        raise _Fault((*path, "kind"), f"{shown}; expected {', '.join(CHANNEL_KINDS)}")
    for key, entry in fields.items():
        if key in _SECRET_FIELDS and not (isinstance(entry, str) and _REFERENCE.fullmatch(entry)):
            raise _Fault(
                (*path, key), "expected a reference, env:NAME or file:/path; secrets are not written into this file"
            )
    if check_channel is not None:
        try:
            check_channel(name, fields)
        except ValueError as error:
            key = str(getattr(error, "field", ""))
            raise _Fault(
                (*path, key) if key in fields else path, f"{'' if key in fields else key + ': '}{error}"
            ) from None
    return fields


def _mentions(value: object) -> dict[str, str]:
    mentions = _mapping(("mentions",), value)
    if len(mentions) > _MAX_MENTIONS:
        raise _Fault(("mentions",), f"more than {_MAX_MENTIONS:,} logins")
    for login, member in mentions.items():
        if not _LOGIN.fullmatch(login):
            raise _Fault(("mentions", login[:60]), "expected a login of GitHub before the colon")
        if not isinstance(member, str) or not _SLACK_MEMBER.fullmatch(member):
            raise _Fault(("mentions", login), "expected a member ID of Slack, such as U0123ABCD")
    return mentions


def _digest(value: object) -> dict[str, Any]:
    digest = _mapping(("digest",), value, _DIGEST_KEYS)
    weekday, hour, zone = digest.get("weekday", "monday"), digest.get("hour", 9), digest.get("time_zone", "UTC")
    if not isinstance(weekday, str) or weekday.lower() not in WEEKDAYS:
        raise _Fault(("digest", "weekday"), f"invalid value {str(weekday)[:40]!r}; expected {', '.join(WEEKDAYS)}")
    if not isinstance(hour, int) or isinstance(hour, bool) or not 0 <= hour <= 23:
        raise _Fault(("digest", "hour"), f"invalid value {str(hour)[:40]!r}; expected a whole number from 0 to 23")
    if not isinstance(zone, str) or not _is_time_zone(zone):
        raise _Fault(
            ("digest", "time_zone"), f"invalid value {str(zone)[:60]!r}; expected a name such as Europe/Berlin"
        )
    everything = _names(("digest", "all"), digest.get("all") or [])
    return {"weekday": weekday.lower(), "hour": hour, "time_zone": zone, "all": list(everything)}


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _github(value: object) -> dict[str, Any]:
    github = _mapping(("github",), value, ("organizations",))
    names = _names(("github", "organizations"), github.get("organizations") or [], "names of organizations")
    wrong = next((name for name in names if not _LOGIN.fullmatch(name)), None)
    if wrong is not None:
        raise _Fault(("github", "organizations"), f"invalid value {wrong[:60]!r}; expected the name of an organization")
    if len(names) > _MAX_ORGANIZATIONS:
        raise _Fault(("github", "organizations"), f"more than {_MAX_ORGANIZATIONS} organizations")
    return {"organizations": list(names)}


def _names(path: tuple[str | int, ...], value: object, form: str = "names of channels") -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise _Fault(path, f"expected a list of {form}")
    return tuple(dict.fromkeys(item.strip() for item in value))


def _mapping(path: tuple[str | int, ...], value: object, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    expected = f"expected {', '.join(allowed)}" if allowed else "expected a mapping of names"
    if not isinstance(value, dict):
        raise _Fault(path, expected)
    for key in value:
        if not isinstance(key, str):
            raise _Fault(path, f"the key {str(key)[:40]!r} is not a text; write it in quotes")
        if allowed and key not in allowed:
            raise _Fault((*path, key), f"unknown key; {expected}")
    return value


def _line(node: Any, path: tuple[str | int, ...]) -> int:
    """The line of the innermost part of the path that the document has."""
    line = node.start_mark.line + 1 if node is not None else 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            entry = next((pair for pair in node.value if getattr(pair[0], "value", None) == step), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return int(line)


def _yaml_position(error: Exception) -> str:
    mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    position = f", line {mark.line + 1}" if mark else ""
    if not reason:
        return f"{position}: not YAML"
    # The parser quotes parts of the text, which may be of a secret.
    shown = reason if isinstance(error, _RepeatedKey) else _QUOTED.sub("…", reason)
    return f"{position}: {clean(shown, 120)}"
