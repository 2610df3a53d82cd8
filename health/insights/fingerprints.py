"""Masked error lines, by which causes without a subject are compared, and clusters of similar lines. Pure.

Values that differ from run to run are masked: times, numbers, hashes, directories. Names are kept: of a test, a quoted
identifier, the name after "No module named", the code of an error. A different name is a different cause.

Lines that differ in one or two ordinary words are one cluster. As in Drain (He et al., ICWS 2017), lines are grouped by
their number of tokens and by the tokens that cannot vary, then by the share of equal tokens. Unlike in Drain, a token
that may be a name never varies.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from core import terminal

# Lines with at least _MIN_TOKENS tokens are one cause if this share of the tokens is equal.
_MIN_TOKENS, _MIN_SIMILARITY = 8, 0.85
# The number of clusters with which a line is compared, among those that differ in ordinary words only.
_MAX_COMPARISONS = 50
_PLAIN_WORD = re.compile(r"[a-z]{2,}[.,;!?)]*")
# A word after one of these is a name.
_NAME_MARKER = re.compile(
    r"an?|the|named?|called|package|module|class|symbol|function|variable|method|crate|gem|library|command|target|task|"
    r"job|step|image|file|type|trait|header|dependency|plugin|provider|resource|table|column|key|test|suite|spec|find|"
    r"locate|import|resolve|load|undefined|unknown|missing|unresolved|service|host|user|branch|tag|repository",
    re.IGNORECASE,
)


@dataclass
class Cluster:
    """`line` is the most frequent line; `fingerprints` are those of all lines of the cluster."""

    line: str
    fingerprints: list[str] = field(default_factory=list)


def clusters(lines: Sequence[tuple[str, str]]) -> list[Cluster]:
    """Clusters of (fingerprint, normalised line) pairs, which must be sorted by frequency, most frequent first. Each
    line joins the first cluster whose line is similar enough. Linear in the number of lines."""
    clustered: list[Cluster] = []
    buckets: dict[tuple[str, ...], list[tuple[Cluster, list[str]]]] = defaultdict(list)
    for key, line in lines:
        tokens = line.split(" ")
        bucket = buckets[_shape(tokens)]
        similar = next((cluster for cluster, others in bucket if _similarity_reached(tokens, others)), None)
        if similar is not None:
            similar.fingerprints.append(key)
            continue
        cluster = Cluster(line, [key])
        clustered.append(cluster)
        if len(bucket) < _MAX_COMPARISONS:
            bucket.append((cluster, tokens))
    return clustered


def _shape(tokens: Sequence[str]) -> tuple[str, ...]:
    """The tokens that cannot vary, at their positions; the others are empty."""
    if len(tokens) < _MIN_TOKENS:
        return tuple(tokens)
    before = ["", *tokens[:-1]]
    return tuple("" if _may_vary(token, previous) else token for previous, token in zip(before, tokens, strict=True))


def _may_vary(token: str, previous: str) -> bool:
    is_name = _NAME_MARKER.fullmatch(previous) or previous.endswith((":", "="))
    return not is_name and _PLAIN_WORD.fullmatch(token) is not None


def _similarity_reached(tokens: Sequence[str], others: Sequence[str]) -> bool:
    equal = sum(one == other for one, other in zip(tokens, others, strict=True))
    return equal >= _MIN_SIMILARITY * len(tokens)


# The length of fingerprints that were made from the masked line alone, before causes had a class, tool and subject.
EARLIER_LENGTH = 20
# Joins the words of a name, so that the name is one token.
WORD_JOINER = "\u00a0"
# Lines of excerpts are shorter; annotations of the runner have no limit.
_MAX_LENGTH = 10_000
_VARIABLE_PATTERNS = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"(?<=-)(?=[a-z]*\d+[a-z])[a-z0-9]{5,10}\b"), "<id>"),
    (re.compile(r"\b(running on runner) .{1,200}? (has (?:exceeded|received))\b"), r"\1 <runner> \2"),
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DURATION = re.compile(r"[(\[](?:< ?)?\d+(?:[.,]\d+)?\s?(?:ns|µs|us|ms|s|sec|secs|seconds|m|min|h)[)\]]")
# Line and column between the file of a test and its title: they change when the file is edited.
_SOURCE_POSITION = re.compile(r"(?<=\w):\d+:\d+(?= )")
# The formats in which test frameworks report a failed test.
_TESTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?:FAILED|ERROR) (?P<name>\S+(?: ?\[[^\]]*\])?)(?: - |$)",
        r"^--- FAIL: (?P<name>\S+)|^(?:FAIL|ERROR): (?P<name2>\S+ \(\S+\))",
        r"^● (?P<name>.+)|^✘ Test (?P<name2>\S+)|^\[ FAILED \] (?P<name3>\S+)",
        r"^FAIL (?P<name>\S+\.\w+.*)|^\[FAIL\] (?P<name2>.+)",
        r"^test (?P<name>\S+) \.\.\. FAILED|^(?P<name2>[A-Za-z_][\w.$]* > .+) FAILED$|^(?P<name3>\S.*) \*\*\* FAILED",
        r"^rspec (?P<name>\S+?)(?::\d+)?(?= |$)(?: # (?P<name2>.+))?",
        r"^not ok \d+ (?:- )?(?P<name>.+)|^\d+\) (?P<name2>.+)|^\d+ - (?P<name3>.+) \(\w+(?: \w+)?\)",
        r"^Failed (?P<name>.+) \[|^<?[\d:time>]+ \+\d+(?: ~\d+)? -\d+: (?P<name2>.+) \[E\]$",
        r"^_{4,} (?P<name>.+) _{4,}$",
        r"^(?:\[ERROR\] )?(?P<name>\S.*?),? Time elapsed: ",
    )
)
# Names, which are kept: test nodes, quoted text, and what follows words such as "module" or "command".
_NAMES = re.compile(
    r"(?P<url>https?://[^\s'\"]*[\w/])"
    r"|(?P<node>(?<![^\s'\"`(])[^\s'\"`:]{1,500}+::[^\s'\"`]+)"
    r"|(?<![\w'])'(?P<single>[^']{1,200})'(?!\w)|\"(?P<double>[^\"]{1,200})\"|`(?P<back>[^`']{1,200})[`']"
    r"|[‘“](?P<curly>[^’”]{1,200})[’”]"
    r"|(?P<code>(?i:\b(?:(?:exit(?:ed)?|status|return(?:ed)?|error|response)[ _-](?:with )?(?:code|status)|code|errno|"
    r"signal|http(?:/\d(?:\.\d)?)?|returned error:|status)\s*[:=]?\s*\(?\d{1,6}\b)|\bcurl: \(\d+\)|"
    r"\b[45]\d\d (?=[A-Z][a-z]))"
    r"|(?P<lead>(?i:\b(?:(?:no module named|(?:can(?:no|')t|cannot|could(?: not|n't)|unable to) (?:find|locate|import|"
    r"resolve|load|open)|undefined|unresolved|unknown|missing|import name|no such|not found:?|named?|package|module|"
    r"class|symbol|function|variable|method|crate|gem|library|command|target|task|job|step|image|type|trait|header|"
    r"dependency|plugin|provider|resource|table|column|key|test|suite|spec|scenario|reference to)[:\s]\s*)+"
    r"(?:(?:for|named|called|of)\s)?))"
    r"(?P<named>[^\s'\"`,;:()<>]*[\w/)\]]|-l\w+)"
    r"|(?P<path>(?:[A-Za-z]:|~|\.{1,2}|(?<![\\/]))(?:[\\/]++[\w.@+~<>-]++)++|[\w.@+-]{1,255}+(?:[\\/][\w.@+~<>-]++)++)"
    r"|(?P<word>[A-Za-z_$][\w$-]*+)"
    r"|(?P<number>\d+(?:[.,]\d+)*+)"
)
_FILE = re.compile(r"^(?:(?![A-Za-z_])[\w.@+-])*+[A-Za-z_][\w.@+-]*\.[A-Za-z]\w{0,9}$")
_TEMPORARY = re.compile(r"(?i)(?:^|[\\/])(?:tmp|temp|_temp|folders)[\\/]")
_SLASH = re.compile(r"[\\/]")
# Words whose digits belong to the name: error codes, tests, camelCase.
_CODE = re.compile(r"^[A-Z]{1,10}[-_]?\d{2,6}$|(?i:test)|[a-z][A-Z]")
_NUMBERED_NAME = re.compile(r"^(?P<stem>(?:[A-Za-z]++_)++)\d+$")


def earlier_fingerprint(line: str) -> str:
    """The fingerprint that earlier rules made from an error line, and that old links contain."""
    return hashlib.sha256(normalize(line).encode()).hexdigest()[:EARLIER_LENGTH]


@lru_cache(maxsize=65_536)
def normalize(line: str) -> str:
    """The line with masked values, as tokens separated by single spaces; a name is one token."""
    text = " ".join(terminal.rendered_line(line[:_MAX_LENGTH]).split())
    for pattern, blank in _VARIABLE_PATTERNS:
        text = pattern.sub(blank, text)
    for pattern in _TESTS:
        if match := pattern.search(text):
            return _normalize_test_line(text, match)
    return _NAMES.sub(_replace_name, text)


def _normalize_test_line(text: str, match: re.Match[str]) -> str:
    """The line of a failed test: the name of the test as one token, and the text before and after it."""
    pieces, position = [], 0
    for group, name in sorted(match.groupdict().items(), key=lambda item: match.start(item[0])):
        if name is not None:
            pieces += [_normalize_plain(text[position : match.start(group)]), _normalize_test_name(name)]
            position = match.end(group)
    return "".join([*pieces, _normalize_plain(text[position:])]).strip()


def _normalize_plain(text: str) -> str:
    return _NAMES.sub(_replace_name, _DURATION.sub("", text))


def _normalize_test_name(name: str) -> str:
    """The name of a test without directories, position in the file and duration."""
    words = [_base_name_of_node(word) for word in _SOURCE_POSITION.sub("", _DURATION.sub("", name)).split()]
    return WORD_JOINER.join(words)


def _base_name_of_node(word: str) -> str:
    """A test node with the base name of its file; the text after `::` is part of the name."""
    path, colons, node = word.partition("::")
    file = _SLASH.split(path)[-1] if "/" in path and _FILE.match(_SLASH.split(path)[-1]) else path
    return file + colons + node


def _replace_name(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if kind == "named":
        return _mask_variables(match["lead"]) + _normalize_name(match["named"])
    if kind in ("single", "double", "back", "curly"):
        return match[0][0] + _normalize_quoted(match[kind]) + match[0][-1]
    return _NORMALIZERS[kind](match[0])


def _normalize_quoted(text: str) -> str:
    words = text.split()
    return (
        _normalize_name(text)
        if len(words) == 1
        else WORD_JOINER.join(_NAMES.sub(_replace_name, " ".join(words)).split(" "))
    )


def _normalize_name(name: str) -> str:
    """A name without directories; a number is masked."""
    if _NUMBER.fullmatch(name):
        return "<n>"
    return _normalize_path(name) if _SLASH.search(name) else name


def _normalize_path(path: str) -> str:
    """The base name of a file; a mask for a directory; a name with slashes (of a package, an image) unchanged."""
    base = _SLASH.split(path)[-1]
    if _TEMPORARY.search(path):
        return "<path>"
    if _FILE.match(base):
        return base
    return "<path>" if path[:1] in "/\\~." or path[1:2] == ":" else path


def _normalize_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{_SLASH.split(rest)[0]}/<path>"


def _normalize_word(word: str) -> str:
    counted = _NUMBERED_NAME.match(word)
    if _CODE.search(word):
        return word
    if counted:
        return counted["stem"] + "<n>"
    return word if "_" in word else _mask_variables(word)


def _mask_variables(text: str) -> str:
    return _NUMBER.sub("<n>", text)


_NORMALIZERS: dict[str, Callable[[str], str]] = {
    "url": _normalize_url,
    "node": _base_name_of_node,
    "code": lambda code: code,
    "path": _normalize_path,
    "word": _normalize_word,
    "number": _mask_variables,
}
