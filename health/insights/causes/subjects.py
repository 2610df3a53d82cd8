"""Subjects of failure causes: the names that identify them, without what differs from run to run. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache

from health.insights.fingerprints import normalize

# Directories of a checkout: of hosted and self-hosted runners, containers, and the tools of other systems.
_WORKSPACE = re.compile(
    r"^(?:file://)?(?:/home/runner/_?work/([^/]+)/\1/|/Users/runner/work/([^/]+)/\2/|[A-Za-z]:[\\/]a[\\/]([^\\/]+)[\\/]\3[\\/]|"
    r"/__w/([^/]+)/\4/|/github/workspace/|/(?:[^/]+/){1,4}_work/([^/]+)/\5/)"
)
_ABSOLUTE = re.compile(r"^(?:[A-Za-z]:)?[\\/]|^~/")
_TEMPORARY = re.compile(r"(?i)(?:^|[\\/])(?:tmp|temp|_temp|folders)[\\/]")
_SEPARATOR = re.compile(r"[\\/]")
# Line and column, and a duration, change without a change of the subject.
_POSITION = re.compile(r":\d+(?::\d+)?(?=$|\s)")
_DURATION = re.compile(r" ?[(\[](?:< ?)?\d+(?:[.,]\d+)?\s?(?:ns|µs|us|ms|s|sec|secs|seconds|m|min|h)[)\]]")
_LINE_OF_METHOD = re.compile(r"(?<=\w):\d+(?=->|$)")
_ADDRESS = re.compile(r"0x[0-9a-f]{4,16}")
_QUOTED = re.compile(r"'([^']{1,200})'|\"([^\"]{1,200})\"|`([^`']{1,200})[`']|[‘“]([^’”]{1,200})[’”]")
_PORT = re.compile(r":\d{2,5}\b")


def subject_of(parts: Sequence[tuple[str, str]], context: Sequence[str] = ()) -> str | None:
    """The subject as one text; null if there are no names. `parts` are pairs of group and text; of `context`, texts
    are used as they are, except for directories of a checkout."""
    names = [_NORMALIZERS.get(group, str.strip)(text) for group, text in parts]
    names += [_file(text) if "/" in text or "\\" in text else text for text in context]
    return " ".join(name for name in names if name)[:500] or None


def symbols_of(message: str) -> tuple[str, ...]:
    """The quoted names of a message, which distinguish errors with one code in one file."""
    names = (next(group for group in match.groups() if group is not None) for match in _QUOTED.finditer(message))
    return tuple(name for name in names if " " not in name.strip() and not _TEMPORARY.search(name))[:3]


@lru_cache(maxsize=4_096)
def message_of(message: str) -> str:
    """The message with masked values, by which equal messages are counted."""
    return normalize(message[:300])


def _file(path: str) -> str:
    """A path in the repository; of another absolute path, the last two names."""
    path = path.strip("'\"")
    inside = _WORKSPACE.sub("", path)
    if inside != path:
        return inside.replace("\\", "/")
    if _ABSOLUTE.match(path):
        names = _SEPARATOR.split(path)
        return names[-1] if _TEMPORARY.search(path) else "/".join(names[-2:])
    return path.removeprefix("./").replace("\\", "/")


def _test(name: str) -> str:
    """A test without position, duration and the directory of the checkout."""
    name = _LINE_OF_METHOD.sub("", _ADDRESS.sub("", _DURATION.sub("", name)))
    words = [_node(_POSITION.sub("", word)) for word in name.split()]
    return " ".join(words)


def _node(word: str) -> str:
    path, colons, node = word.partition("::")
    return _file(path) + colons + node if "/" in path else word


def _host(host: str) -> str:
    scheme, _, rest = host.rpartition("://")
    name = _SEPARATOR.split(rest)[0] if scheme else rest
    return _PORT.sub("", name)


_NORMALIZERS = {"test": _test, "file": _file, "host": _host}
