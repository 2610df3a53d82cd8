"""Saved views: saving the current page, opening, changing and deleting, with and without a login."""

import time
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from db.engine import session_scope, write_scope
from db.migrate import downgrade
from db.saved_views import Owner, ViewRow, list_views, save_view
from tests.app.conftest import Open
from tests.app.reading import everything, html
from tests.app.seeding import HOSTILE, Seeded
from tests.builders import ACTOR


def stored(seeded: Seeded) -> list[ViewRow]:
    with session_scope(seeded.engine) as session:
        return list_views(session)


def add(seeded: Seeded, name: str, page: str = "", query: str = "", owner: Owner | None = None) -> int:
    view_id = add_elsewhere(seeded, name, page, query, owner)
    # Other processes show it two seconds later.
    st.cache_data.clear()
    return view_id


def add_elsewhere(seeded: Seeded, name: str, page: str = "", query: str = "", owner: Owner | None = None) -> int:
    with write_scope(seeded.engine) as session:
        return save_view(session, name, "", page, query, owner=owner, now=seeded.now, actor=ACTOR)


def open_menu(page: AppTest) -> AppTest:
    page.button(key="views-open").click().run()
    assert not page.exception, page.exception
    return page


def user(email: str) -> dict[str, Any]:
    return {"is_logged_in": True, "sub": email, "email": email, "email_verified": True, "iat": int(time.time())}


def test_the_current_page_is_saved_with_its_filters(seeded: Seeded, open_page: Open) -> None:
    page = open_menu(open_page("runs", repo="acme/api", period="7d", conclusion=["failure", "timed_out"], saved=""))
    page.text_input(key="view-name").set_value("API failures")
    page.text_input(key="view-description").set_value("for the morning")
    page.button(key="view-save-send").click().run()
    (view,) = stored(seeded)
    assert (view.name, view.description, view.page, view.owner) == ("API failures", "for the morning", "runs", None)
    assert view.query == "conclusion=failure&conclusion=timed_out&period=7d&repo=acme%2Fapi"
    assert page.query_params["saved"] == str(view.id)
    assert page.button(key="views-open").label == "API failures"
    page.segmented_control(key="period").set_value("90d").run()
    assert page.button(key="views-open").label == "API failures (modified)"
    open_menu(page).button(key="view-update").click().run()
    assert "period=90d" in stored(seeded)[0].query


def test_a_view_without_a_name_is_refused(seeded: Seeded, open_page: Open) -> None:
    page = open_menu(open_page())
    page.button(key="view-save-send").click().run()
    assert stored(seeded) == []
    assert page.session_state["view-failure"] == "Enter a name for the view."


def test_opening_a_view_clears_what_it_does_not_name(seeded: Seeded, open_page: Open) -> None:
    view_id = add(seeded, "API", "runs", "repo=acme%2Fapi")
    page = open_page("runs", branch="feature", period="7d", q="fix", conclusion="failure")
    page.query_params.clear()
    page.query_params["repo"], page.query_params["saved"] = "acme/api", str(view_id)
    page.run()
    assert page.multiselect(key="repo").value == ["acme/api"]
    for key in ("branch", "conclusion"):
        assert page.multiselect(key=key).value == []
    assert page.text_input(key="q").value == ""
    assert page.segmented_control(key="period").value == "30d"
    assert page.button(key="views-open").label == "API"


def test_views_are_listed_renamed_and_deleted(seeded: Seeded, open_page: Open) -> None:
    view_id = add(seeded, HOSTILE, "cost", "period=7d&by=%3Cb%3E")
    page = open_menu(open_page(saved=view_id))
    row = next(block for block in html(page) if 'class="ph-view-row"' in block)
    assert f'href="cost?period=7d&amp;by=%3Cb%3E&amp;saved={view_id}"' in row
    assert "<script>" not in row
    page.button(key=f"view-edited-{view_id}").click().run()
    page = open_menu(open_page(saved=view_id))
    page.button(key=f"view-deleted-{view_id}").click().run()
    assert len(stored(seeded)) == 1


def test_the_menu_shows_why_the_views_cannot_be_read(seeded: Seeded, open_page: Open) -> None:
    page = open_page()
    downgrade(seeded.engine, "0014")
    page = open_menu(page)
    assert "The database is at revision 0014" in page.error[0].value.replace("\\", "")
    assert "Data unavailable" not in everything(page)


def test_unknown_views_and_unknown_filters_are_reported(seeded: Seeded, open_page: Open) -> None:
    page = open_page(saved="77", repo="acme/api")
    assert "The saved view 77 does not exist" in _warned(page)
    assert page.multiselect(key="repo").value == ["acme/api"]
    assert "does not exist" in _warned(open_page(saved="x"))
    view_id = add(seeded, "Old", "", "repo=acme%2Fgone&repo=acme%2Fapi")
    page = open_page(saved=view_id, repo=["acme/gone", "acme/api"])
    assert "acme/gone is not monitored and is ignored" in _warned(page)
    assert page.button(key="views-open").label == "Old"
    assert "is not monitored" in everything(open_page(saved=view_id, repo="acme/gone")).replace("\\", "")


def test_a_view_that_another_process_has_just_saved_is_known(seeded: Seeded, open_page: Open) -> None:
    open_page("runs", saved="1")
    view_id = add_elsewhere(seeded, "Mine", "runs")
    page = open_page("runs", saved=str(view_id))
    assert page.button(key="views-open").label == "Mine"
    # A browser that opens it by default must not forget it.
    assert "data-deleted-view" not in everything(page)
    assert "does not exist" not in _warned(page)


@pytest.mark.usefixtures("with_login")
def test_with_a_login_views_have_owners(seeded: Seeded, open_page: Open) -> None:
    alice, bob = user("alice@example.com"), user("bob@example.com")
    page = open_menu(open_page(user=alice))
    page.text_input(key="view-name").set_value("Mine")
    page.button(key="view-save-send").click().run()
    (view,) = stored(seeded)
    assert view.owner == "alice@example.com"
    free_id = add(seeded, "Shared")
    page = open_menu(open_page(user=bob, saved=view.id, period="7d"))
    keys = {button.key for button in page.button}
    assert f"view-deleted-{free_id}" in keys
    assert not {f"view-deleted-{view.id}", f"view-edited-{view.id}", "view-update"} & keys
    assert "by alice@example.com" in "".join(html(page))
    keys = {button.key for button in open_menu(open_page(user=alice, saved=view.id, period="7d")).button}
    assert {f"view-deleted-{view.id}", f"view-edited-{view.id}", "view-update"} <= keys


@pytest.mark.usefixtures("with_login")
def test_users_with_the_same_name_have_views_of_their_own(seeded: Seeded, open_page: Open) -> None:
    issued_at = int(time.time())
    first, second = (
        {"is_logged_in": True, "iss": "https://id.example.com", "sub": subject, "name": "Alex Kim", "iat": issued_at}
        | {"email": "kim@example.com", "email_verified": True}
        for subject in ("1", "2")
    )
    page = open_menu(open_page(user=first))
    page.text_input(key="view-name").set_value("Mine")
    page.button(key="view-save-send").click().run()
    (view,) = stored(seeded)
    edit = f"view-edited-{view.id}"
    assert edit in {button.key for button in open_menu(open_page(user=first)).button}
    assert edit not in {button.key for button in open_menu(open_page(user=second)).button}


def test_kiosk_mode_has_no_menu(seeded: Seeded, open_page: Open) -> None:
    page = open_page(wall=1)
    assert not page.button
    assert "ph-search" not in "".join(block for block in html(page) if "<style>" not in block)


def _warned(page: AppTest) -> str:
    return "\n".join(element.value.replace("\\", "") for element in page.warning)
