"""Patterns in words."""

from db.alerting.patterns import Patterns


def scope_words(scope: Patterns) -> str:
    """acme/* · workflow CI or Deploy · branch main."""
    parts = [
        _listed("", scope.repos) or "all repositories",
        _listed("workflow ", scope.workflows),
        _listed("branch ", scope.branches),
    ]
    return " · ".join(part for part in parts if part)


def _listed(label: str, patterns: tuple[str, ...]) -> str:
    return f"{label}{' or '.join(patterns)}" if patterns else ""
