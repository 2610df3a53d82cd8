"""The sample account: repositories, workflows, runs, attempts and jobs over time."""
