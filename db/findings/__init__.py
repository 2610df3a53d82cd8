"""The facade of the findings: what needs a person, told to UI, API and alerts alike."""

from db.findings.attention import Acknowledgement, Attention, attention
from db.findings.causes import Cause, CauseRuns, Causes, RunCause, cause_of_run, cause_runs, causes
from db.findings.flaky import FlakyJob, FlakyWorkflow, flaky
from db.findings.regressions import Regression, regressions

__all__ = ["Acknowledgement", "Attention", "Cause", "CauseRuns", "Causes", "FlakyJob", "FlakyWorkflow", "Regression",
           "RunCause", "attention", "cause_of_run", "cause_runs", "causes", "flaky", "regressions"]  # fmt: skip
