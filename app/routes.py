"""The paths of the pages, their names, and what belongs to them. A page is a script in app/views; app/shell.py has its
icon and shortcut."""

from collections.abc import Container, Mapping
from urllib.parse import urlsplit

OVERVIEW, WORKFLOW, RUNS, RUN, LOG, COMPARE = "", "workflow", "runs", "run", "log", "compare"
FAILURES, FLAKY, COST, ALERTS, COLLECTOR = "failures", "flaky", "cost", "alerts", "collector"
SEARCH, TEAMS, DIGEST, SETUP, AUDIT = "search", "teams", "digest", "setup", "audit"
# By path, in the order of the menu; pages with a parent are not in the menu.
NAMES: Mapping[str, str] = {
    OVERVIEW: "Overview",
    WORKFLOW: "Workflows",
    RUNS: "Runs",
    FAILURES: "Failures",
    SEARCH: "Search logs",
    FLAKY: "Flaky",
    COST: "Cost & capacity",
    TEAMS: "Teams",
    ALERTS: "Alerts",
    COLLECTOR: "Collector",
    AUDIT: "Audit",
    RUN: "Run",
    LOG: "Log",
    COMPARE: "Compare",
    SETUP: "Set up",
    DIGEST: "Weekly digest",
}
PAGES = tuple(NAMES)
# The page of the menu that a page without an entry belongs to.
PARENTS: Mapping[str, str] = {RUN: RUNS, LOG: RUNS, COMPARE: RUNS, SETUP: COLLECTOR, DIGEST: TEAMS}
# Pages that only administrators have in their menu.
FOR_ADMINS = (AUDIT,)
# Pages with the filters for time, repository, workflow and branch.
FILTERED = (OVERVIEW, WORKFLOW, RUNS, FAILURES, SEARCH, FLAKY, COST, TEAMS)
# Pages with charts. Plotly is larger than all other scripts together, so other pages do not load it.
CHART_PAGES = (OVERVIEW, WORKFLOW, FAILURES, COST, RUN)
# The parameters with which a page shows one workflow, failure cause or alert.
_SUBJECT_PARAMETERS = {WORKFLOW: "id", FAILURES: "cause", ALERTS: "alert"}


def page_of(url: str | None) -> str:
    """The path of the page with this URL; the Overview's if there is none."""
    last = urlsplit(url or "").path.rstrip("/").rpartition("/")[2]
    return last if last in NAMES else OVERVIEW


def has_subject(page: str, parameters: Container[str]) -> bool:
    """Whether a page shows one run, workflow, failure cause or alert, which it names in its heading."""
    return page in PARENTS or (page in _SUBJECT_PARAMETERS and _SUBJECT_PARAMETERS[page] in parameters)
