"""The addresses of the pages, for the script that shows them and for the server that sends the first document."""

OVERVIEW, WORKFLOW, RUNS, RUN, LOG, COMPARE = "", "workflow", "runs", "run", "log", "compare"
FAILURES, FLAKY, COST, ALERTS, COLLECTOR = "failures", "flaky", "cost", "alerts", "collector"
PAGES = (OVERVIEW, WORKFLOW, RUNS, FAILURES, FLAKY, COST, ALERTS, COLLECTOR, RUN, LOG, COMPARE)
# What is drawn by Plotly, whose program is larger than everything else together.
CHART_PAGES = (OVERVIEW, WORKFLOW, COST, RUN)
