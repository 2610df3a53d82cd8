"""Failures of one cause: error lines that are the same but for numbers, times, hashes and paths. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extractOne

# Lines that differ in no more than this share of their length are one cause.
_NEAR = 0.9
# Beyond so many different lines the rare ones stay by themselves.
_COMPARED = 1_000


@dataclass
class Cluster:
    """`keys` are the fingerprints that are in it; the most frequent line names it."""

    line: str
    keys: list[str] = field(default_factory=list)


def clusters(lines: Sequence[tuple[str, str]]) -> list[Cluster]:
    """Of fingerprints and their normalised lines, the most frequent first. Greedy: each joins the first cluster whose
    name is near enough (Levenshtein distance within 10 % of the longer one)."""
    found: list[Cluster] = []
    names: list[str] = []
    for place, (key, line) in enumerate(lines):
        near = extractOne(line, names, scorer=Levenshtein.normalized_similarity, score_cutoff=_NEAR) if (
            place < _COMPARED
        ) else None  # fmt: skip
        if near is None:
            found.append(Cluster(line, [key]))
            names.append(line)
        else:
            found[near[2]].keys.append(key)
    return found
