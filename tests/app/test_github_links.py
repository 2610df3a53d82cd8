"""URLs of GitHub: on the host of the repository, whatever a name, a commit or a stored URL contains."""

import pytest

from app.widgets.github import external_link, github_repository

ENTERPRISE = "https://github.example.com:8443/acme/web"


def test_pages_are_on_the_host_of_the_repository() -> None:
    web = github_repository(f"{ENTERPRISE}/")
    assert web is not None
    assert web.commit("0123abcd") == f"{ENTERPRISE}/commit/0123abcd"
    assert web.branch("feat/ä b?#<") == f"{ENTERPRISE}/tree/feat/%C3%A4%20b%3F%23%3C"
    assert web.user("hana-sato") == "https://github.example.com:8443/hana-sato"
    assert web.user("dependabot[bot]") == "https://github.example.com:8443/apps/dependabot"
    assert web.pull_requests("0123abcd") == f"{ENTERPRISE}/pulls?q=is%3Apr+0123abcd"
    assert web.workflow(".github/workflows/ci one.yml") == f"{ENTERPRISE}/actions/workflows/ci%20one.yml"
    run = f"{ENTERPRISE}/actions/runs/12"
    assert web.attempt(run, 2) == f"{run}/attempts/2"
    assert web.stored(f"{run}/job/3") == f"{run}/job/3"


@pytest.mark.parametrize(
    "url",
    [
        None, "", "javascript:alert(1)", "ftp://github.com/a/b", "https://github.com", "https://github.com/a",
        "https://user@github.com/a/b", "https://github.com/a/b/c", 'https://github.com/a/"b', "//github.com/a/b",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_repository_has_no_links(url: str | None) -> None:
    assert github_repository(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://github.example.com/acme/web/actions/runs/12", "http://github.example.com:8443/acme/web/actions/runs/1",
        "https://github.example.com:8443.evil.example/x", "https://github.example.com:8443@evil.example/x",
        "javascript:alert(1)", f"{ENTERPRISE}/ onclick=x", f'{ENTERPRISE}/"><script>', f"{ENTERPRISE}/\n", None, "",
    ],
)  # fmt: skip
def test_a_stored_url_of_another_host_is_not_linked(url: str | None) -> None:
    web = github_repository(ENTERPRISE)
    assert web is not None
    assert (web.stored(url), web.attempt(url, 1)) == (None, None)


def test_hostile_names_are_no_paths() -> None:
    web = github_repository(ENTERPRISE)
    assert web is not None
    assert web.commit("../../evil") is web.commit("") is web.user("a/../b") is web.user("") is web.user(None) is None
    assert web.branch(None) is web.pull_requests("x' or 1") is None


def test_an_external_link_opens_a_tab_without_an_opener() -> None:
    link = external_link("https://github.com/a/b/tree/x&y", 'Branch "x"')
    assert 'target="_blank" rel="noopener noreferrer"' in link
    assert 'href="https://github.com/a/b/tree/x&amp;y"' in link
    assert 'aria-label="Branch &quot;x&quot; on GitHub"' in link
    assert external_link(None, "Commit") == ""
