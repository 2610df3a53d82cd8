"""What the command palette finds by name: saved views, repositories, workflows, branches and runs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from app.data import team_scopes
from app.data.caching import cache_resource
from app.data.connection import read_session, utc_now
from app.data.views import load_views
from core.text import printable
from db.definitions.scope import Scope
from db.repositories import name_search
from db.repositories.repository_queries import WorkflowRow, list_branches
from db.runs.run_queries import SHA_PREFIX, RunRow
from db.saved_views import ViewRow

_MAX_TERMS, _MAX_TERM_LENGTH = 8, 60
_MAX_NAMES, _MAX_RUNS = 40, 10
# Terms that may be the number or the commit of a run; others are only parts of names. A search for a run reads many
# rows.
_MAX_RUN_TERMS = 2
_MAX_BRANCHES = 1_000
# The runs of this period provide the branches.
_BRANCH_PERIOD = timedelta(days=90)
_NUMBER = re.compile(r"#?(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class Names:
    """At most a few dozen of each, the best matches first."""

    views: list[ViewRow]
    repos: list[str]
    workflows: list[WorkflowRow]
    branches: list[str]
    runs: list[RunRow]
    teams: list[str] = field(default_factory=list)


def search_names(query: str) -> Names:
    """All saved views for an empty query. Raises Unavailable."""
    terms = tuple(term[:_MAX_TERM_LENGTH] for term in printable(query).lower().split()[:_MAX_TERMS])
    texts = ((view, f"{view.name} {view.description} {view.owner or ''}".lower()) for view in load_views())
    views = [view for view, text in texts if all(_has_letters(text, term) for term in terms)]
    return replace(_search(terms), views=views[:_MAX_NAMES], teams=_teams(terms))


def _teams(terms: Sequence[str]) -> list[str]:
    names = team_scopes.team_names(0).values() if terms else ()
    return [name for name in names if all(_has_letters(name.lower(), term) for term in terms)][:_MAX_NAMES]


@cache_resource(ttl=20, max_entries=256)
def _search(terms: tuple[str, ...]) -> Names:
    if not terms:
        return Names([], [], [], [], [])
    branches = [branch for branch in _branches() if all(_has_letters(branch.lower(), term) for term in terms)]
    # `sorted` is stable: the most recently used branches come first among equal matches.
    branches.sort(key=lambda branch: -sum(term in branch.lower() for term in terms))
    with read_session() as session:
        runs = []
        candidates = [
            index for index, term in enumerate(terms) if _NUMBER.fullmatch(term) or SHA_PREFIX.fullmatch(term)
        ]
        candidates.sort(key=lambda index: not terms[index].startswith("#"))
        for index in candidates[:_MAX_RUN_TERMS]:
            term = terms[index]
            others = terms[:index] + terms[index + 1 :]
            if number := _NUMBER.fullmatch(term):
                runs += name_search.search_runs(session, others, number=int(number[1]), limit=_MAX_RUNS)
            if SHA_PREFIX.fullmatch(term):
                runs += name_search.search_runs(session, others, sha=term, limit=_MAX_RUNS)
        return Names(
            views=[],
            repos=name_search.search_repositories(session, terms, _MAX_NAMES),
            workflows=name_search.search_workflows(session, terms, _MAX_NAMES),
            branches=branches[:_MAX_NAMES],
            runs=list({run.id: run for run in runs}.values())[:_MAX_RUNS],
        )


@cache_resource(ttl=120, max_entries=1)
def _branches() -> list[str]:
    with read_session() as session:
        return list_branches(session, Scope(), utc_now() - _BRANCH_PERIOD, limit=_MAX_BRANCHES)


def _has_letters(text: str, letters: Iterable[str]) -> bool:
    """Whether the text contains the letters in this order."""
    rest = iter(text)
    return all(letter in rest for letter in letters)
