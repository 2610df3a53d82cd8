from tests.app.conftest import Open
from tests.app.reading import markdown
from tests.app.seeding import HOSTILE, RERUN, RUNNING, Seeded


def test_the_newest_runs_come_first_and_link_to_their_page(seeded: Seeded, open_page: Open) -> None:
    frame = open_page("runs").dataframe[0].value
    assert frame["link"].iloc[0] == f"run?run_id={RUNNING}#{RUNNING}"
    assert list(frame["state"].iloc[0]) == ["● Running"]
    assert frame["duration"].iloc[0].endswith("so far")


def test_titles_stay_text(seeded: Seeded, open_page: Open) -> None:
    frame = open_page("runs").dataframe[0].value
    assert HOSTILE in set(frame["title"])


def test_the_address_narrows_the_list(seeded: Seeded, open_page: Open) -> None:
    frame = open_page("runs", repo=["acme/web"], conclusion=["failure"], actor=["bob"]).dataframe[0].value
    assert list(frame["actor"].unique()) == ["bob"]
    assert len(frame) == 3


def test_search_finds_a_run_by_its_number(seeded: Seeded, open_page: Open) -> None:
    frame = open_page("runs", q=f"#{RERUN}").dataframe[0].value
    assert [link.split("#")[1] for link in frame["link"]] == [str(RERUN)]


def test_pages_older_and_newer_lead_through_all_runs(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", period="90d")
    first = list(page.dataframe[0].value["link"])
    page.button[1].click().run()
    second = list(page.dataframe[0].value["link"])
    assert len(first) == len(second) == 50
    assert not set(first) & set(second)
    assert "Page 2" in markdown(page)
    page.button[0].click().run()
    assert list(page.dataframe[0].value["link"]) == first


def test_another_filter_begins_at_the_newest_again(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", period="90d")
    page.button[1].click().run()
    page.multiselect(key="repo").set_value(["acme/api"]).run()
    assert "Page 1" in markdown(page)


def test_a_search_without_a_hit_says_so(seeded: Seeded, open_page: Open) -> None:
    assert "Nothing matches these filters" in markdown(open_page("runs", q="no such thing"))
