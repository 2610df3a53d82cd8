"""Saved views as they are stored, on both databases."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert

from db.engine import make_engine, session_scope, write_scope
from db.models import SavedView
from db.saved_views import (
    MAX_QUERY_LENGTH,
    MAX_VIEWS,
    InvalidView,
    Owner,
    delete_view,
    describe_view,
    get_view,
    list_views,
    save_view,
    update_view,
)
from tests.builders import ACTOR, NOON

LATER = NOON + timedelta(hours=1)


def save(engine: Engine, name: str, *, owner: Owner | None = None, query: str = "repo=acme%2Fweb") -> int:
    with write_scope(engine) as session:
        return save_view(session, name, "what it shows", "runs", query, owner=owner, now=NOON, actor=ACTOR)


def test_views_are_saved_changed_and_deleted(engine: Engine) -> None:
    second, first = save(engine, "  payments   team "), save(engine, "Ärger")
    with write_scope(engine) as session:
        assert [view.name for view in list_views(session)] == ["payments team", "Ärger"]
        describe_view(session, second, "Payments team", "", user=None, now=LATER, actor=ACTOR)
        update_view(session, second, "", "", user=None, now=LATER, actor=ACTOR)
        delete_view(session, first, user=None, now=LATER, actor=ACTOR)
        delete_view(session, first, user=None, now=LATER, actor=ACTOR)
    with session_scope(engine) as session:
        (view,) = list_views(session)
        assert get_view(session, first) is None
    assert (view.id, view.name, view.description, view.page, view.query) == (second, "Payments team", "", "", "")
    assert (view.owner, view.created_at, view.updated_at) == (None, NOON, LATER)


def test_only_the_owner_changes_a_view_and_everybody_one_without_owner(engine: Engine) -> None:
    own, free = save(engine, "own", owner=Owner("1", "Alex Kim")), save(engine, "free")
    with write_scope(engine) as session:
        for change in (
            lambda: describe_view(session, own, "x", "", user="2", now=LATER, actor=ACTOR),
            lambda: update_view(session, own, "", "", user="2", now=LATER, actor=ACTOR),
            lambda: delete_view(session, own, user="2", now=LATER, actor=ACTOR),
        ):
            with pytest.raises(InvalidView, match="Only Alex Kim may change or delete this view"):
                change()
        describe_view(session, own, "own 2", "", user="1", now=LATER, actor=ACTOR)
        delete_view(session, free, user="2", now=LATER, actor=ACTOR)
        # Without a login there are no users to tell apart.
        delete_view(session, own, user=None, now=LATER, actor=ACTOR)
        assert list_views(session) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [("", "Enter a name"), (" \n\0 ", "Enter a name"), ("x" * 101, "more than 100"), ("ﷺ" * 90, "more than 100")],
)
def test_names_are_bounded(engine: Engine, name: str, why: str) -> None:
    with pytest.raises(InvalidView, match=why):
        save(engine, name)
    with session_scope(engine) as session:
        assert list_views(session) == []


def test_names_descriptions_and_queries_have_a_maximum(engine: Engine) -> None:
    assert save(engine, "ß" * 100, query="q" * MAX_QUERY_LENGTH)
    with pytest.raises(InvalidView, match="too many filters"):
        save(engine, "long", query="q" * (MAX_QUERY_LENGTH + 1))
    with write_scope(engine) as session, pytest.raises(InvalidView, match="description"):
        save_view(session, "long", "d" * 501, "", "", owner=None, now=NOON, actor=ACTOR)


def test_a_name_exists_once_whatever_its_case(engine: Engine) -> None:
    save(engine, "Team Straße")
    other = save(engine, "Other")
    with pytest.raises(InvalidView, match="A view with the name TEAM STRASSE exists"):
        save(engine, "TEAM STRASSE")
    with write_scope(engine) as session:
        with pytest.raises(InvalidView, match="exists: choose another name"):
            describe_view(session, other, "team straße", "", user=None, now=LATER, actor=ACTOR)
        # The transaction goes on.
        describe_view(session, other, "OTHER", "", user=None, now=LATER, actor=ACTOR)
    with session_scope(engine) as session:
        assert [view.name for view in list_views(session)] == ["OTHER", "Team Straße"]


def test_of_two_who_save_one_name_at_once_one_is_refused(engine: Engine, database_url: str) -> None:
    barrier, results = threading.Barrier(4), []

    def try_it(number: int) -> None:
        own = make_engine(database_url)
        barrier.wait()
        try:
            results.append(save(own, "Same", query=f"period={number}d") > 0)
        except InvalidView:
            results.append(False)
        finally:
            own.dispose()

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]
    with session_scope(engine) as session:
        assert len(list_views(session)) == 1


def test_a_view_that_was_deleted_meanwhile_is_not_changed(engine: Engine) -> None:
    view_id = save(engine, "short-lived")
    with write_scope(engine) as session:
        delete_view(session, view_id, user=None, now=LATER, actor=ACTOR)
        for change in (
            lambda: describe_view(session, view_id, "x", "", user=None, now=LATER, actor=ACTOR),
            lambda: update_view(session, view_id, "", "", user=None, now=LATER, actor=ACTOR),
        ):
            with pytest.raises(InvalidView, match="has been deleted"):
                change()


def test_a_view_that_is_deleted_between_check_and_change_is_not_changed(engine: Engine, database_url: str) -> None:
    view_id, results = save(engine, "short-lived"), []

    def change() -> None:
        own = make_engine(database_url)
        try:
            with write_scope(own) as session:
                update_view(session, view_id, "", "", user=None, now=LATER, actor=ACTOR)
            results.append("changed")
        except InvalidView as error:
            results.append(str(error))
        finally:
            own.dispose()

    with write_scope(engine) as session:
        delete_view(session, view_id, user=None, now=LATER, actor=ACTOR)
        # PostgreSQL: the change reads the view, then waits for the lock of its row.
        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(0.5)
    thread.join()
    assert results == ["This view has been deleted: save it under a new name."]


def test_the_id_of_a_deleted_view_is_not_used_again(engine: Engine) -> None:
    view_id = save(engine, "first")
    with write_scope(engine) as session:
        delete_view(session, view_id, user=None, now=LATER, actor=ACTOR)
    assert save(engine, "second") > view_id


def test_the_number_of_views_has_a_maximum(engine: Engine) -> None:
    row = {"description": "", "page": "", "query": "", "created_at": NOON, "updated_at": NOON}
    with write_scope(engine) as session:
        session.execute(insert(SavedView), [row | {"name": str(k), "name_key": str(k)} for k in range(MAX_VIEWS)])
    with pytest.raises(InvalidView, match="There are 500 saved views"):
        save(engine, "one more")
