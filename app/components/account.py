"""The signed-in user at the foot of the sidebar, and the page that replaces a session that has ended."""

import time
from urllib.parse import urlencode

import streamlit as st

from app import session
from app.access.policy import AccessDenied, User
from app.components.page_head import set_title
from app.javascript import bundle
from app.routes import page_of
from app.widgets.text import html, markdown

# After a reload, the server returns the sign-in page, which leads back to this page. If the server accepts a session
# that the page does not (a proxy removes the Origin header), the page reloads at most once a minute and shows a link.
_reload = st.components.v2.component("pipeline_health_reload", js=bundle("session_reload"), isolate_styles=False)


def user_menu(user: User) -> None:
    with st.sidebar:
        st.html(
            f'<div class="ph-account"><span title="{html(user.name)}">{html(user.name)}</span>'
            f'<small title="Your role: {user.role.label}">{user.role.label}</small>'
            f'<a href="{html(_base())}/auth/logout" target="_self">Sign out</a></div>'
        )


def watch_session(user: User) -> None:
    """Reruns the page when the session ends; also in kiosk mode, where a page without updates would go unnoticed."""
    # A timer of its own: fragments of the page refresh only parts of it, and would not notice the end of the session.
    st.fragment(_sign_out, run_every=max(user.expires_at - time.time(), 1.0) + 1.0)()


def signed_out(denied: AccessDenied) -> None:
    """Replaces the whole page: the reason, and a link to sign in that leads back to this URL."""
    query = urlencode([(name, value) for name in st.query_params for value in st.query_params.get_all(name)])
    target = f"/{page_of(st.context.url)}{'?' if query else ''}{query}"
    set_title("Sign in")
    with st.container(border=True, key="state-signed-out"):
        st.markdown(f"# :material/lock: {'Sign in again' if denied.session_expired else 'No access'}")
        st.markdown(markdown(denied.reason))
        link = f"{_base()}/sign-in?{urlencode({'next': target})}"
        st.html(f'<a class="ph-go" href="{html(link)}" target="_self">Sign in</a>', width="content")
    if denied.session_expired:
        _reload(key="reload")


def _sign_out() -> None:
    if isinstance(session.current_user(), AccessDenied):
        st.rerun()


def _base() -> str:
    prefix = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{prefix}" if prefix else ""
