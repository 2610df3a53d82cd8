"""Simulator of GitHub's REST API with a sample account. It imports nothing of the product; `make run` starts it, and
tests.simulator extends it with what only tests need."""
