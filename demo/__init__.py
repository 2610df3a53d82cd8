"""A simulator of GitHub's REST API with an account that looks alive. Only its start and the tests import it."""
