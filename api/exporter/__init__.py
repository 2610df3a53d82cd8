"""Metric families of GET /metrics; api.routes.prometheus renders them."""
