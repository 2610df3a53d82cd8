"""Identifiers and texts use the field's terms (docs/style.md): words that were replaced do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "db", "health", "collector", "api", "app", "demo")
# Parts of identifiers that are roles in a sentence, or coined terms.
REPLACED = {
    "anew",
    "asked",
    "befall",
    "doomed",
    "each",
    "found",
    "gently",
    "grain",
    "hush",
    "kept",
    "lately",
    "parcel",
    "patiently",
    "relooked",
    "said",
    "shelf",
    "tally",
    "teller",
    "telling",
    "tile",
    "tiles",
    "told",
    "unfilled",
    "vocabulary",
}
# Whole names that were replaced.
REPLACED_NAMES = {
    "AskAgain",
    "BadAnswer",
    "Carried",
    "Doomed",
    "KeptAnswers",
    "NotOfInterest",
    "Observation",
    "Parcel",
    "Passes",
    "Quiet",
    "Telling",
    "Unexplained",
    "WantedDetails",
    "folded_into",
    "give_up_removed",
    "held_until",
    "is_told",
    "keep_delivering",
    "keep_judging",
    "keep_rolling_up",
    "not_from_other_sites",
    "told_at",
    "waiting_for",
    "why_unseen",
    "worth_an_archive",
}
# Names of other vocabularies: HTTP "404 Not Found", exceptions of libraries, SQLite functions.
FOREIGN_NAMES = re.compile("not_?found|json_each", re.IGNORECASE)
# Fields of the API's JSON, whose names are fixed.
PUBLIC = {"told_at", "folded_into", "relooked_deep_at", "looked_at"}
# Phrases that were replaced in texts, comments and documentation.
PHRASES = re.compile(
    r"\b(somebody knows|nobody (?:got|is told|knows)|whoever|is told|are told|was told|anew|by the clock|stands in the"
    r"|gave an answer|who asks|who reads|knows of it|looks after|is over within|of everything|as it is told)\b",
    re.IGNORECASE,
)
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", FOREIGN_NAMES.sub("", name))}


@pytest.mark.parametrize("package", PACKAGES)
def test_identifiers_are_terms_of_the_field(package: str) -> None:
    odd = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in FILES
        # Migrations of earlier revisions keep the names of their columns.
        if path.relative_to(ROOT).parts[0] == package and "versions" not in path.parts
        for name, line in _identifiers(ast.parse(path.read_text(encoding="utf-8")))
        if name not in PUBLIC and (_words(name) & REPLACED or name in REPLACED_NAMES)
    ]
    assert odd == []


def test_names_of_modules_are_terms_of_the_field() -> None:
    assert [str(path.relative_to(ROOT)) for path in FILES if _words(path.stem) & REPLACED] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_texts_of_the_code_are_plain(package: str) -> None:
    odd = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == package and "versions" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if PHRASES.search(line)
    ]
    assert odd == []


def test_the_documentation_is_plain() -> None:
    odd = [
        f"{page.relative_to(ROOT)}:{number}: {line.strip()}"
        for page in PAGES
        # The style guide quotes what to avoid.
        if page.name != "style.md"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
        if PHRASES.search(line)
    ]
    assert odd == []
