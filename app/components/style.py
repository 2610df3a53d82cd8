"""The little CSS that Streamlit's theme cannot say. Colours come from the theme's own variables."""

import streamlit as st

_CSS = """
<style>
section[data-testid="stSidebar"] { width: 230px !important; min-width: 230px; }
.stMainBlockContainer { max-width: 1500px; padding-left: 1.6rem; padding-right: 1.6rem; }
.st-key-filters { flex: 1 1 auto; }
.st-key-freshness { text-align: right; }
.ph-attention { border: 1px solid #D3261C55; border-left: 4px solid #D3261C; border-radius: 8px; padding: 8px 14px;
  background: #D3261C0F; display: flex; flex-direction: column; gap: 8px; }
.ph-broken { display: flex; gap: 10px; align-items: baseline; min-width: 0; }
.ph-broken > div { min-width: 0; overflow-wrap: anywhere; }
.ph-broken a { color: inherit; text-decoration: none; } .ph-broken a:hover { text-decoration: underline; }
.ph-sign { color: #D3261C; font-weight: 700; }
.ph-why, .ph-more { opacity: .78; font-size: 12.5px; }
.ph-cause { font-family: 'JetBrains Mono', monospace; font-size: 12.5px; padding: 6px 10px;
  border-left: 3px solid #D3261C; background: #D3261C14; border-radius: 4px; overflow-wrap: anywhere; }
.ph-log { font-family: 'JetBrains Mono', monospace; font-size: 12px; line-height: 1.55; max-height: 420px;
  overflow: auto; border-radius: 6px; padding: 6px 0; background: rgba(128,140,155,.09); }
.ph-log.ph-tall { max-height: 70vh; }
.ph-fold summary { padding: 2px 12px 4px 46px; cursor: pointer; opacity: .75; border-bottom: 1px dashed
  rgba(128,140,155,.45); margin-bottom: 4px; } .ph-fold[open] summary { margin-bottom: 0; border: 0; }
.ph-here { color: #D3261C; margin-right: 4px; }
.ph-l { display: flex; white-space: pre; padding-right: 12px; width: max-content; min-width: 100%; }
.ph-n { flex: 0 0 58px; text-align: right; padding-right: 12px; opacity: .65; user-select: none; }
.ph-hit { background: #D3261C2B; box-shadow: inset 3px 0 0 #D3261C; font-weight: 600; }
.ph-err { background: #D3261C14; } .ph-warn { background: #DC861C1F; } .ph-group { font-weight: 600; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding-left: .8rem; padding-right: .8rem; }
  .st-key-head { flex-wrap: wrap; } .st-key-filters { min-width: 100%; flex-wrap: wrap; }
  .st-key-filters > div, .st-key-run-filters > div { width: 100% !important; }
}
</style>
"""


def style() -> None:
    st.html(_CSS)
