"""The paths of the pages."""

OVERVIEW, WORKFLOW, RUNS, RUN, LOG, COMPARE = "", "workflow", "runs", "run", "log", "compare"
FAILURES, FLAKY, COST, ALERTS, COLLECTOR = "failures", "flaky", "cost", "alerts", "collector"
PAGES = (OVERVIEW, WORKFLOW, RUNS, FAILURES, FLAKY, COST, ALERTS, COLLECTOR, RUN, LOG, COMPARE)
# Pages with charts. Plotly is larger than all other scripts together, so other pages do not load it.
CHART_PAGES = (OVERVIEW, WORKFLOW, COST, RUN)
