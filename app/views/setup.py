"""Set-up page: from an empty installation, or a demo, to monitored repositories."""

from app.components import setup
from app.data.status import load_status

setup.setup_page(load_status())
