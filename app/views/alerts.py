"""Alerts page: open and resolved alerts, rules, silences and channels; with `?alert=`, one alert."""

import streamlit as st

from app import session
from app.components import page_head
from app.components.alerts import alert_page, dialogs, sections
from app.components.freshness import completeness
from app.data import alerts, figures
from app.data.status import load_status, window_end
from db.definitions.scope import Scope

status = load_status()
overview = alerts.alert_overview()
dialogs.show_failure()
alert = alert_page.requested_alert()
if alert is not None:
    alert_page.alert_page(alert, overview, session.zone())
    completeness(figures.completeness(Scope(), None, status.version), None)
    st.stop()

if not page_head.has_title():
    page_head.default_head("Alerts")
section = sections.section_choice(overview)
completeness(figures.completeness(Scope(), None, status.version), None)
if section == "rules":
    sections.rules(overview, window_end(status.version), session.zone(), status.version)
elif section == "silences":
    sections.silences(overview, status.version)
else:
    no_runs = None if status.has_runs else "No runs are stored yet."
    sections.alerts(overview, session.zone(), status.version, status.caveat or no_runs)
