"""What fires, who knows of it, by which rules, and who is told."""

from app import session
from app.components.alerts import alert_list, dialogs, sections
from app.components.freshness import completeness
from app.data import alerts
from db.definitions.scope import Scope

status = load_status()
found = alerts.alert_overview()
dialogs.show_failure()
chosen = alert_list.requested_alert()
if chosen is not None:
    sections.alert_panel(chosen, found.at, session.zone())
shown = sections.section_choice(found)
completeness(figures.completeness(Scope(), None, status.version), None)
if shown == "rules":
    sections.rules(found, window_end(status.version), session.zone(), status.version)
elif shown == "silences":
    sections.silences(found, status.version)
else:
    nothing = None if status.has_runs else "No run is stored yet."
    sections.alerts(found, session.zone(), status.caveat or nothing)
