"""What fires, who knows of it, by which rules, and who is told."""

from app import alerts_data, data, viewer
from app.components.alerts import alert_list, dialogs, sections
from app.components.freshness import completeness
from db.metrics.scope import Scope

status = data.status()
found = alerts_data.board()
dialogs.show_failure()
chosen = alert_list.wanted()
if chosen is not None:
    sections.one(chosen, found.at, viewer.zone())
shown = sections.choose(found)
completeness(data.completeness(Scope(), None, status.version), None)
if shown == "rules":
    sections.rules(found, data.now(status.version), viewer.zone(), status.version)
elif shown == "silences":
    sections.silences(found, status.version)
else:
    nothing = None if status.has_runs else "No run is stored yet."
    sections.alerts(found, viewer.zone(), status.doubt or nothing)
