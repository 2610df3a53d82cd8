"""The login: its configuration, the decision who may sign in, and the end of sessions."""
