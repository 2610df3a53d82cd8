"""Searching runs by words: the same answers on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.engine import session_scope, unicode_lower
from db.runs.run_lists import export_runs
from db.runs.run_queries import count_rows, list_runs, previous_cursor
from tests.builders import NOON, add_repository, run, store_runs

WINDOW = Window(NOON - timedelta(days=1), NOON + timedelta(days=1))
TITLES = {
    1: "Größe der Übersicht ändern", 2: "FIX: CAFÉ MENU", 3: "Обновить Зависимости", 4: "ΔΙΟΡΘΩΣΗ ΛΑΘΟΥΣ",
    5: "100 % of_ü/done", 6: "100 x ofxüxdone", 7: "plain ascii", 8: "日本語のタイトル",
}  # fmt: skip


@pytest.fixture
def titled(engine: Engine) -> Engine:
    add_repository(engine)
    others = [run(20, branch="feature/ÄNDERUNG"), run(21, actor="Zoë")]
    store_runs(engine, *(run(number, title=title) for number, title in TITLES.items()), *others)
    return engine


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("GRÖSSE", []),
        ("grÖße", [1]),
        ("übersicht", [1]),
        ("ÜBERSICHT", [1]),
        ("café", [2]),
        ("Café Menu", [2]),
        ("обновить", [3]),
        ("ЗАВИСИМОСТИ", [3]),
        ("διορθωση", [4]),
        ("ΛΑΘΟΥΣ", [4]),
        ("λαθουσ", [4]),
        ("% of_Ü/", [5]),
        ("OF_ü", [5]),
        ("ofxÜ", [6]),
        ("PLAIN", [7]),
        ("のタ", [8]),
        ("änderung", [20]),
        ("ZOË", [21]),
        ("e\u0301", []),
        ("%ü%", []),
    ],
)
def test_words_are_found_whatever_their_case(titled: Engine, words: str, expected: list[int]) -> None:
    with session_scope(titled) as session:
        page = list_runs(session, Scope(), WINDOW, text=words)
        assert sorted(row.id for row in page.items) == expected
        assert count_rows(session, Scope(), WINDOW, text=words) == len(expected)
    exported = export_runs(lambda: Session(titled), Scope(), WINDOW, text=words)
    assert sorted(row.id for rows in exported for row in rows) == expected


def test_parts_of_a_window_limit_a_list_and_its_pages(engine: Engine) -> None:
    """60 parts, as many as an hour of the day has."""
    add_repository(engine)
    store_runs(engine, *(run(100 + hour, created_at=NOON - timedelta(hours=hour, minutes=-5)) for hour in range(48)))
    window = Window(NOON - timedelta(days=60), NOON + timedelta(days=1))
    parts = [Window(NOON - timedelta(days=day), NOON - timedelta(days=day) + timedelta(hours=1)) for day in range(60)]
    with session_scope(engine) as session:
        first = list_runs(session, Scope(), window, parts=parts, limit=1)
        second = list_runs(session, Scope(), window, parts=parts, limit=1, cursor=first.next)
        assert [row.id for row in (*first.items, *second.items)] == [100, 124]
        assert second.next is None
        assert previous_cursor(session, Scope(), window, second.items[0], limit=1, parts=parts) is None
        assert count_rows(session, Scope(), window, parts=parts) == 2
        outside = Window(NOON - timedelta(hours=3), NOON - timedelta(hours=2))
        assert count_rows(session, Scope(), outside, parts=parts) == 0


def test_letters_become_small_one_by_one() -> None:
    assert unicode_lower("ΣΑΣ") == "σασ"
    assert unicode_lower("İi") == "ii"
    assert unicode_lower("ABC") == "abc"
    assert unicode_lower(None) is None
