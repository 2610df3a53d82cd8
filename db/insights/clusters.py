"""Failures of one cause: normalised error lines that differ in a plain word or two. Pure.

As Drain (He et al., ICWS 2017) groups log lines: by their number of tokens and those that cannot vary, then by the
share of equal tokens. Unlike there a token that may be a name never varies: another name is another cause."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

# Lines of at least so many tokens are one cause where this share of them is equal.
_TOKENS, _SIMILAR = 8, 0.85
# Of lines that differ in their plain words alone, so many clusters are compared.
_COMPARED = 50
_PLAIN = re.compile(r"[a-z]{2,}[.,;!?)]*")
# What follows such a word is a name.
_NAMING = re.compile(
    r"an?|the|named?|called|package|module|class|symbol|function|variable|method|crate|gem|library|command|target|task|"
    r"job|step|image|file|type|trait|header|dependency|plugin|provider|resource|table|column|key|test|suite|spec|find|"
    r"locate|import|resolve|load|undefined|unknown|missing|unresolved|service|host|user|branch|tag|repository",
    re.IGNORECASE,
)


@dataclass
class Cluster:
    """`keys` are the fingerprints that are in it; the most frequent line names it."""

    line: str
    keys: list[str] = field(default_factory=list)


def clusters(lines: Sequence[tuple[str, str]]) -> list[Cluster]:
    """Of fingerprints and their normalised lines, the most frequent first. Greedy: each joins the first cluster whose
    name is similar enough. Linear in the number of lines."""
    found: list[Cluster] = []
    buckets: dict[tuple[str, ...], list[tuple[Cluster, list[str]]]] = defaultdict(list)
    for key, line in lines:
        tokens = line.split(" ")
        bucket = buckets[_shape(tokens)]
        near = next((cluster for cluster, named in bucket if _similar(tokens, named)), None)
        if near is not None:
            near.keys.append(key)
            continue
        cluster = Cluster(line, [key])
        found.append(cluster)
        if len(bucket) < _COMPARED:
            bucket.append((cluster, tokens))
    return found


def _shape(tokens: Sequence[str]) -> tuple[str, ...]:
    """The tokens that cannot vary, at their places."""
    if len(tokens) < _TOKENS:
        return tuple(tokens)
    before = ["", *tokens[:-1]]
    return tuple("" if _may_vary(token, last) else token for last, token in zip(before, tokens, strict=True))


def _may_vary(token: str, last: str) -> bool:
    named = _NAMING.fullmatch(last) or last.endswith((":", "="))
    return not named and _PLAIN.fullmatch(token) is not None


def _similar(tokens: Sequence[str], others: Sequence[str]) -> bool:
    equal = sum(one == other for one, other in zip(tokens, others, strict=True))
    return equal >= _SIMILAR * len(tokens)
