"""Collector page: completeness of the data, state of the collector, and storage."""

from app.components import collector
from app.components.collector import storage_panel
from app.data.collection import load_collection
from app.filters import controls
from app.widgets.panel import panel

collector.live_status()
overview = load_collection()
if overview.repositories:
    names = [repository.repo for repository in collector.incomplete_first(overview.repositories)]
    with panel("One repository", "completeness in detail"):
        collector.repository_details(controls.repository_control(names))
storage_panel()
