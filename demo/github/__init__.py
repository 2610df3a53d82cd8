"""GitHub's REST API over a World, as an ASGI application."""
