"""The set-up page, from nothing to the lines for .env."""

from datetime import datetime

import pytest
from sqlalchemy import Engine

from app.components.setup import env_lines, option_labels
from db.collection.setup_report import SetupCheck, SetupReport, SetupRepository, store_setup_report
from db.engine import write_scope
from tests.app.conftest import Open
from tests.app.reading import everything, markdown
from tests.app.seeding import HOSTILE, Seeded, heartbeat

REPOSITORIES = (SetupRepository("acme/web"), SetupRepository("acme/api", private=True), SetupRepository("me/dots"))


def store(engine: Engine, moment: datetime, *checks: SetupCheck) -> None:
    with write_scope(engine) as session:
        store_setup_report(session, SetupReport(checks, REPOSITORIES if checks[0].ok else ()), moment)


def test_an_empty_installation_says_what_to_set_and_how_to_check_it(empty: Engine, open_page: Open) -> None:
    page = open_page()
    assert "No repositories configured" in markdown(page)
    assert [block.value for block in page.code] == [
        ".venv/bin/python -m collector setup",
        "GITHUB_REPOS=owner/name\nGITHUB_TOKEN=PASTE_THE_TOKEN_HERE",
        "make run  # or: docker compose up -d",
    ]


def test_the_repositories_of_the_token_are_chosen_and_written_as_lines(
    empty: Engine, open_page: Open, moment: datetime
) -> None:
    store(
        empty, moment, SetupCheck("Token", True, "accepted"), SetupCheck("acme/web", False, f"no permission {HOSTILE}")
    )
    page = open_page("setup")
    shown = everything(page)
    assert "no permission &lt;script&gt;" in shown
    assert "<script>" not in shown
    assert page.code[0].value == "GITHUB_REPOS=owner/name\n# GITHUB_TOKEN, or the GitHub App, is set already."
    choice = page.multiselect(key="choose")
    assert choice.options == ["acme/* · all 2", "acme/web", "acme/api · private", "me/dots"]
    choice.set_value(["acme/*", "me/dots"]).run()
    assert page.code[0].value == "GITHUB_REPOS=acme/*,me/dots\n# GITHUB_TOKEN, or the GitHub App, is set already."
    assert page.query_params["choose"] == ["acme/*", "me/dots"]
    page.query_params["choose"] = ["acme/web"]
    page.run()
    assert page.multiselect(key="choose").value == ["acme/web"]
    assert page.code[0].value.startswith("GITHUB_REPOS=acme/web\n")
    choice.set_value(["acme/web", "me/dots"]).run()
    assert page.query_params["choose"] == ["acme/web", "me/dots"]


def test_the_choice_is_in_the_url_and_what_is_no_repository_is_named(empty: Engine, open_page: Open) -> None:
    page = open_page("setup", choose=["acme/web", "a b\nX=1", "!acme/old"])
    assert page.code[1].value.splitlines()[0] == "GITHUB_REPOS=acme/web,!acme/old"
    assert "Not a repository" in page.error[0].value


@pytest.mark.parametrize("demo", [True, False])
def test_the_demo_leads_to_the_set_up_and_repositories_of_ones_own_are_counted(
    seeded: Seeded, open_page: Open, demo: bool
) -> None:
    heartbeat(seeded.engine, seeded.now, demo=demo)
    shown = everything(open_page("setup"))
    assert ('<a href="setup" target="_self">Monitor your own repositories</a>' in shown) is demo
    assert ("2 repositories are monitored. To change them" in shown) is not demo


def test_a_demo_does_not_propose_a_command_that_writes_to_another_database(seeded: Seeded, open_page: Open) -> None:
    heartbeat(seeded.engine, seeded.now, demo=True)
    page = open_page("setup")
    assert "within seconds" in everything(page)
    assert not any("collector setup" in block.value for block in page.code)


@pytest.mark.parametrize("has_token", [True, False])
def test_the_lines_never_contain_a_token(has_token: bool) -> None:
    lines = env_lines(["acme/web"], has_token=has_token).splitlines()
    assert lines[0] == "GITHUB_REPOS=acme/web"
    assert lines[1].startswith("#") is has_token


def test_all_repositories_of_an_owner_are_one_option_without_archived_ones() -> None:
    rows = [SetupRepository("acme/web"), SetupRepository("acme/old", archived=True), SetupRepository("acme/api")]
    assert option_labels(rows)["acme/*"] == "acme/* · all 2"
    assert option_labels(rows[:1]) == {"acme/web": "acme/web"}
