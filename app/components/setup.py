"""The set-up: what the collector's check of the token found, the choice of repositories, and the lines for .env.

The dashboard has no token and sends no request to GitHub: the collector checks and stores the result.
"""

import re
from collections.abc import Sequence

import streamlit as st

from app.components import page_head
from app.data.connection import utc_now
from app.data.setup import load_setup_report
from app.data.status import CollectionStatus, load_status
from app.widgets.panel import panel
from app.widgets.text import html, markdown, truncate
from core import formatting
from db.collection.setup_report import MAX_SETUP_REPOSITORIES, SetupCheck, SetupRepository, StoredSetupReport

_REFRESH_SECONDS = 5
_CHOICE, _WRITTEN = "choose", "choose-written"
_MAX_CHOICES, _MAX_LENGTH = 500, 202
# As the collector accepts them in GITHUB_REPOS.
_ENTRY = re.compile(r"!?[A-Za-z0-9][A-Za-z0-9_-]{0,98}/(?:[A-Za-z0-9._-]{1,100}|\*)", re.ASCII)
_SIGNS = {True: ("✓", "green", "ok"), False: ("✕", "red", "failed"), None: ("–", "gray", "not checked")}
_TOKEN_URL = "https://github.com/settings/personal-access-tokens/new"  # noqa: S105 - a page, not a token
_COMMAND = ".venv/bin/python -m collector setup"
_START = "make run  # or: docker compose up -d"


def setup_page(status: CollectionStatus) -> None:
    page_head.set_title("Set up")
    crumbs = page_head.breadcrumb((page_head.Crumb("Collector", "collector"), page_head.Crumb("Set up")))
    st.html(f'{crumbs}<h1 class="ph-title">Set up your repositories</h1>')
    if status.repositories and not status.demo:
        st.markdown(f"{_count(len(status.repositories))} monitored. To change them, edit `GITHUB_REPOS` and restart.")
    setup_steps()


def setup_steps() -> None:
    """The three steps. They refresh by themselves, so that a check that the user starts meanwhile appears."""
    with panel("1 · Token", "read by the collector only; the dashboard does not have it", key="setup-token"):
        st.markdown(
            f"Create a [fine-grained token on github.com]({_TOKEN_URL}), or on your GitHub Enterprise Server under "
            "*Settings → Developer settings*, with read access to *Actions* and *Metadata*, and to *Checks* for the "
            "causes of lost runners, or use a GitHub App. Public repositories need no token, but then "
            "GitHub allows 60 requests per hour."
        )
        _checks()
    _choice_and_lines()


@st.fragment(run_every=_REFRESH_SECONDS)
def _checks() -> None:
    stored, is_demo = load_setup_report(), load_status().demo
    if stored is None and is_demo:
        # The command would store the result in the database for real repositories.
        st.caption("Not checked yet. The collector checks the token in `.env` within seconds.")
        return
    if stored is None:
        st.caption(
            "Not checked yet. The collector of a demo checks the token in `.env` by itself, within seconds after its "
            "start. Without a demo, run this command in the folder of the product:"
        )
        st.code(_COMMAND, language="sh")
        return
    st.html(_check_list(stored.report.checks))
    ago = formatting.relative((utc_now() - stored.checked_at).total_seconds())
    again = "The collector checks again by itself" if is_demo else f"`{_COMMAND}` checks again"
    st.caption(f"Checked {ago}. {again}; after a change of `.env`, restart.")


def _check_list(checks: Sequence[SetupCheck]) -> str:
    rows = "".join(
        f'<li class="ph-{_SIGNS[check.ok][1]}"><span title="{_SIGNS[check.ok][2]}">{_SIGNS[check.ok][0]}</span>'
        f"<div><span>{html(truncate(check.name, 200))}</span><p>{html(truncate(check.detail, 600))}</p></div></li>"
        for check in checks
    )
    return f'<ul class="ph-ledger" aria-label="Result of the check">{rows}</ul>'


@st.fragment
def _choice_and_lines() -> None:
    stored = load_setup_report()
    with panel("2 · Repositories", _choice_subtitle(stored), key="setup-repositories"):
        chosen = _choice(stored.report.repositories if stored else ())
    bad = [entry for entry in chosen if not _ENTRY.fullmatch(entry)]
    if bad:
        names = ", ".join(markdown(entry) for entry in bad[:3])
        st.error(f"Not a repository: {names}. Use `owner/name`, `owner/*` or `!owner/name`.", icon=":material/error:")
    with panel(
        "3 · Settings", "copy the lines to .env in the folder of the product, then start again", key="setup-lines"
    ):
        st.code(env_lines([entry for entry in chosen if entry not in bad], has_token=_has_token(stored)), language="sh")
        st.code(_START, language="sh")


def _choice_subtitle(stored: StoredSetupReport | None) -> str:
    if stored is None or not stored.report.repositories:
        return "type owner/name, or owner/* for all repositories of an organization or user"
    count = f"{len(stored.report.repositories):,}"
    limit = f" (GitHub listed more than {MAX_SETUP_REPOSITORIES:,}; type the others)" if stored.report.truncated else ""
    return f"{count} repositories can be read{limit} · search, or choose owner/* for all of an owner, also future ones"


def _choice(repositories: Sequence[SetupRepository]) -> list[str]:
    """The chosen entries of GITHUB_REPOS, which are in the URL."""
    in_url = [entry[:_MAX_LENGTH] for entry in st.query_params.get_all(_CHOICE)[:_MAX_CHOICES]]
    labels = option_labels(repositories)
    # The URL precedes the widget if it has changed by itself: a link, a reload, the Back button.
    if _CHOICE not in st.session_state or in_url != st.session_state.get(_WRITTEN):
        st.session_state[_CHOICE] = list(dict.fromkeys(in_url))
    options = list(dict.fromkeys([*labels, *st.session_state[_CHOICE]]))
    chosen = st.multiselect(
        "Repositories",
        options,
        key=_CHOICE,
        format_func=lambda entry: labels.get(entry, entry),
        accept_new_options=True,
        label_visibility="collapsed",
        placeholder="Choose repositories" if repositories else "owner/name",
        max_selections=_MAX_CHOICES,
        filter_mode="contains",
    )
    entries = [str(entry).strip() for entry in chosen]
    if entries != in_url:
        st.query_params[_CHOICE] = entries
    st.session_state[_WRITTEN] = entries
    return entries


def option_labels(repositories: Sequence[SetupRepository]) -> dict[str, str]:
    """The options by their entry of GITHUB_REPOS: all repositories of each owner, then single ones."""
    owners: dict[str, int] = {}
    for row in repositories:
        owner = row.repo.partition("/")[0]
        owners[owner] = owners.get(owner, 0) + (not row.archived)
    labels = {f"{owner}/*": f"{owner}/* · all {number:,}" for owner, number in sorted(owners.items()) if number > 1}
    for row in repositories:
        notes = [note for note, applies in (("private", row.private), ("archived", row.archived)) if applies]
        labels[row.repo] = " · ".join([row.repo, *notes])
    return labels


def env_lines(entries: Sequence[str], *, has_token: bool) -> str:
    """The lines for .env. The token is never among them."""
    token = "# GITHUB_TOKEN, or the GitHub App, is set already." if has_token else "GITHUB_TOKEN=PASTE_THE_TOKEN_HERE"
    return f"GITHUB_REPOS={','.join(entries) or 'owner/name'}\n{token}"


def _has_token(stored: StoredSetupReport | None) -> bool:
    return bool(stored and stored.report.checks and stored.report.checks[0].ok)


def _count(number: int) -> str:
    return formatting.pluralize(number, "repository is", "repositories are")
