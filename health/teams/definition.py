"""Teams as they are defined: fields, limits, and the combination of several sources. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.text import printable
from db.enums import Severity, TeamSource

# The value of the filter `team` for what no team owns; therefore not the name of a team.
NO_TEAM = "none"
MAX_TEAMS = 2_000
MAX_NAME_LENGTH, MAX_TEXT_LENGTH, MAX_VALUES = 100, 500, 5_000
MAX_PATTERN_LENGTH = 300
# The case folding of a letter has up to three letters.
_MAX_KEY_LENGTH = 3 * MAX_NAME_LENGTH
# The fields of a definition, in the order of documents and pages.
FIELDS = ("description", "private", "repositories", "workflows", "owners", "members", "channels", "digest")
_SOURCE_ORDER = (TeamSource.FILE, TeamSource.DASHBOARD, TeamSource.GITHUB)
_REPOSITORY_PATTERN = re.compile(r"[^\s/:]{1,100}/[^\s/:]{1,150}")
_OWNER = re.compile(r"@[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100})?|[^\s@]{1,100}@[^\s@]{1,200}")
_SEVERITIES = " or ".join(Severity)
_CHANNEL_FORM = f"the name of a channel, or {{channel: NAME, severities: [{Severity.CRITICAL}]}}"


class InvalidTeam(ValueError):
    """A team cannot be stored; the message is one line that names the field and what is allowed."""


@dataclass(frozen=True)
class TeamChannel:
    """A channel of a team, by its name. `severities`: only alerts of these are sent; empty for all."""

    channel: str
    severities: tuple[str, ...] = ()

    def takes(self, severity: str) -> bool:
        return not self.severities or severity in self.severities


@dataclass(frozen=True)
class Team:
    """A team with its fields from all sources. `repositories` are names or patterns of owner/name; `workflows` are
    `owner/name: workflow` with patterns in both parts; `owners` are handles of CODEOWNERS files; `members` are e-mail
    addresses, logins or groups of the login. `sources`: the source of each field that one sets."""

    name: str
    description: str = ""
    private: bool = False
    repositories: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    channels: tuple[TeamChannel, ...] = ()
    digest: bool = False
    sources: Mapping[str, TeamSource] = field(default_factory=dict)
    defined_in: tuple[TeamSource, ...] = ()

    @property
    def key(self) -> str:
        """The name as it is compared."""
        return team_key(self.name)

    def is_from_file(self, name: str) -> bool:
        """Whether TEAMS_FILE sets the field, so that nothing else can change it."""
        return self.sources.get(name) is TeamSource.FILE


@dataclass(frozen=True)
class TeamDefinition:
    """A team as one source defines it. `fields`: the fields that the source sets, in their checked form."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return team_key(self.name)


def team_key(name: str) -> str:
    """The name as it is compared: without regard to case."""
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()


def check_team(name: object, fields: Mapping[str, object]) -> TeamDefinition:
    """The definition with checked values: lists without duplicates, channels as mappings. Raises InvalidTeam."""
    unknown = next((key for key in fields if key not in FIELDS), None)
    if unknown is not None:
        raise InvalidTeam(f"unknown key {str(unknown)[:40]!r}; expected name, {', '.join(FIELDS)}")
    checked = {key: _CHECKS[key](key, fields[key]) for key in FIELDS if key in fields}
    return TeamDefinition(check_name(name), checked)


def check_name(name: object) -> str:
    """The name in one line. Raises InvalidTeam."""
    if not isinstance(name, str):
        raise InvalidTeam(f"name: expected a text, not {_kind(name)}")
    text = " ".join(printable(name).split())
    if not text:
        raise InvalidTeam("name: expected the name of the team")
    if len(text) > MAX_NAME_LENGTH or len(team_key(text)) > _MAX_KEY_LENGTH:
        raise InvalidTeam(f"name: more than {MAX_NAME_LENGTH} characters")
    if team_key(text) == NO_TEAM:
        raise InvalidTeam(f"name: {NO_TEAM} is the value of the filter for what no team owns; choose another name")
    return text


def combine(definitions: Iterable[tuple[TeamSource, TeamDefinition]]) -> list[Team]:
    """The teams by name. Definitions with the same name are one team; each field, and the spelling of the name, comes
    from the first source that sets it: TEAMS_FILE, the dashboard, GitHub."""
    by_key: dict[str, dict[TeamSource, TeamDefinition]] = {}
    for source, definition in definitions:
        by_key.setdefault(definition.key, {})[source] = definition
    return sorted((_combined(by_source) for by_source in by_key.values()), key=lambda team: (team.key, team.name))


def _combined(by_source: Mapping[TeamSource, TeamDefinition]) -> Team:
    order = [source for source in _SOURCE_ORDER if source in by_source]
    values: dict[str, Any] = {}
    sources: dict[str, TeamSource] = {}
    for source in order:
        for key, value in by_source[source].fields.items():
            if key in FIELDS and key not in sources:
                values[key], sources[key] = _from_stored(key, value), source
    return Team(by_source[order[0]].name, **values, sources=sources, defined_in=tuple(order))


def _from_stored(key: str, value: Any) -> Any:
    if key == "channels":
        return tuple(TeamChannel(str(item["channel"]), tuple(item.get("severities", ()))) for item in value)
    return tuple(value) if isinstance(value, list) else value


def _check_text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidTeam(f"{key}: expected a text, not {_kind(value)}")
    text = " ".join(printable(value).split())
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidTeam(f"{key}: more than {MAX_TEXT_LENGTH} characters")
    return text


def _check_flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidTeam(f"{key}: invalid value {str(value)[:40]!r}; expected true or false")
    return value


def _check_repositories(key: str, value: object) -> list[str]:
    texts = _texts(key, value, "a list of owner/name, with * and ? as in acme/payments-*")
    for text in texts:
        if not _REPOSITORY_PATTERN.fullmatch(text):
            raise InvalidTeam(f"{key}: invalid value {text[:60]!r}; expected owner/name, with * and ? in patterns")
    return texts


def _check_workflows(key: str, value: object) -> list[str]:
    form = '"owner/name: workflow", with * and ? in patterns'
    texts = _texts(key, value, f"a list of {form}")
    for text in texts:
        repository, workflow = split_workflow(text)
        if not _REPOSITORY_PATTERN.fullmatch(repository) or not workflow:
            raise InvalidTeam(f"{key}: invalid value {text[:60]!r}; expected {form}")
    return [": ".join(split_workflow(text)) for text in texts]


def split_workflow(pattern: str) -> tuple[str, str]:
    """The patterns of the repository and of the workflow's name; the second is empty where it is missing."""
    repository, _, workflow = pattern.partition(":")
    return repository.strip(), workflow.strip()


def _check_owners(key: str, value: object) -> list[str]:
    texts = _texts(key, value, "a list of handles as in CODEOWNERS, such as @acme/payments")
    for text in texts:
        if not _OWNER.fullmatch(text):
            raise InvalidTeam(
                f"{key}: invalid value {text[:60]!r}; expected @organization/team, @login or an e-mail address"
            )
    return texts


def _check_members(key: str, value: object) -> list[str]:
    return _texts(key, value, "a list of e-mail addresses, logins or groups")


def _check_channels(key: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise InvalidTeam(f"{key}: expected a list of {_CHANNEL_FORM}")
    channels: dict[str, dict[str, Any]] = {}
    for item in value:
        entry = {"channel": item} if isinstance(item, str) else item
        if not isinstance(entry, Mapping) or not set(entry) <= {"channel", "severities"}:
            raise InvalidTeam(f"{key}: expected {_CHANNEL_FORM}")
        name = entry.get("channel")
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH:
            raise InvalidTeam(f"{key}: expected {_CHANNEL_FORM}")
        severities = _texts("severities", entry.get("severities") or [], f"a list of {_SEVERITIES}")
        wrong = next((value for value in severities if value not in list(Severity)), None)
        if wrong is not None:
            raise InvalidTeam(f"{key}: {name.strip()}: invalid severity {wrong[:40]!r}; expected {_SEVERITIES}")
        if name.strip() in channels:
            raise InvalidTeam(f"{key}: {name.strip()} is in the list twice")
        channels[name.strip()] = {"channel": name.strip(), "severities": severities}
    return list(channels.values())


def _texts(key: str, value: object, form: str) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise InvalidTeam(f"{key}: expected {form}, not {_kind(value)}")
    texts: dict[str, None] = {}
    for item in value:
        if not isinstance(item, str):
            raise InvalidTeam(f"{key}: expected {form}; a value is {_kind(item)}")
        text = " ".join(printable(item).split())
        if not text or len(text) > MAX_PATTERN_LENGTH:
            raise InvalidTeam(f"{key}: a value is empty or has more than {MAX_PATTERN_LENGTH} characters")
        texts[text] = None
    if len(texts) > MAX_VALUES:
        raise InvalidTeam(f"{key}: more than {MAX_VALUES:,} values")
    return list(texts)


def _kind(value: object) -> str:
    """What a value of YAML or JSON is, without the value."""
    if value is None:
        return "nothing"
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), f"a {type(value).__name__}")


_CHECKS = {
    "description": _check_text,
    "private": _check_flag,
    "repositories": _check_repositories,
    "workflows": _check_workflows,
    "owners": _check_owners,
    "members": _check_members,
    "channels": _check_channels,
    "digest": _check_flag,
}
