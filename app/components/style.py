"""The little CSS that Streamlit's theme cannot say. Two colours each: for light and for dark ground."""

import streamlit as st

_CSS = """
<style>
.stApp {
  --ph-red: light-dark(#B91C12, #FF8A80); --ph-green: light-dark(#067A71, #5BD1C3);
  --ph-orange: light-dark(#9A5A08, #F6BE6B); --ph-blue: light-dark(#145DB5, #6DB1F7);
  --ph-muted: light-dark(#55606C, #A3ACB8); --ph-border: light-dark(#DDE3EA, #2A323D);
  --ph-soft: light-dark(#F4F6F9, #171D26);
  --ph-mono: 'JetBrains Mono', monospace;
}
section[data-testid="stSidebar"] { width: 230px !important; min-width: 230px; }
.stMainBlockContainer { max-width: 1500px; padding-left: 1.6rem; padding-right: 1.6rem; }
.st-key-head > div:has(> .st-key-filters) { flex: 1 1 460px; min-width: 0; }
.st-key-filters > div:has(.stMultiSelect), .st-key-run-filters > div:has(.stMultiSelect) {
  flex: 1 1 118px; min-width: 118px; }
.st-key-head > div:only-child { margin-left: auto; }
.st-key-freshness [data-testid="stCaptionContainer"] { text-align: right; }
.st-key-state-empty, .st-key-state-no-match, .st-key-state-error, .st-key-state-no-run, .st-key-state-unknown-run {
  padding: 3.5rem 1rem; align-items: center; }
[class*="st-key-state-"] :is(h3, p) { text-align: center; }
.ph-rest { display: flex; flex-wrap: wrap; gap: 4px 22px; font-size: 12.5px; color: var(--ph-muted); }
.ph-rest b { color: light-dark(#0F1720, #E4E9F0); font-weight: 600; margin-left: 4px; }

.ph-demo { border: 1px solid var(--ph-border); border-radius: 8px; padding: 5px 12px; font-size: 12.5px;
  background: var(--ph-soft); color: var(--ph-muted); }
.ph-demo b { color: var(--ph-blue); } .ph-demo code { font-family: var(--ph-mono); font-size: 12px; }

.ph-attention { border: 1px solid #D3261C55; border-left: 4px solid #D3261C; border-radius: 8px; padding: 8px 14px;
  background: #D3261C0D; display: flex; flex-direction: column; gap: 8px; }
.ph-broken { display: flex; gap: 10px; align-items: baseline; min-width: 0; }
.ph-broken > div { min-width: 0; overflow-wrap: anywhere; }
.ph-broken a { color: inherit; text-decoration: none; } .ph-broken a:hover { text-decoration: underline; }
.ph-sign { color: var(--ph-red); font-weight: 700; }
.ph-why, .ph-more { color: var(--ph-muted); font-size: 12.5px; }
.ph-why code { font-family: var(--ph-mono); font-size: 12px; }

.ph-crumb { color: var(--ph-muted); font-size: 12.5px; overflow-wrap: anywhere; }
.ph-crumb a { color: var(--ph-blue); text-decoration: underline; text-underline-offset: 2px; }
.ph-title { font-size: 20px; font-weight: 650; line-height: 1.35; overflow-wrap: anywhere; margin: 2px 0 8px; }
.ph-meta { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; color: var(--ph-muted);
  font-size: 13px; }
.ph-meta b { color: inherit; font-weight: 600; } .ph-meta span { overflow-wrap: anywhere; }
.ph-meta code { font-family: var(--ph-mono); font-size: 12px; padding: 1px 6px; border-radius: 5px;
  background: var(--ph-soft); border: 1px solid var(--ph-border); }
.ph-pill { font-weight: 600; padding: 2px 9px; border-radius: 6px; border: 1px solid currentColor;
  white-space: nowrap; }
.ph-green { color: var(--ph-green); } .ph-red { color: var(--ph-red); } .ph-orange { color: var(--ph-orange); }
.ph-blue { color: var(--ph-blue); } .ph-gray { color: var(--ph-muted); }

.ph-step { display: grid; grid-template-columns: 18px minmax(90px, 300px) 96px 1fr 74px; gap: 10px; align-items: center;
  padding: 4px 2px; font-size: 13px; border-bottom: 1px solid var(--ph-border); }
.ph-step:last-child { border-bottom: 0; }
.ph-step .ph-name { overflow-wrap: anywhere; } .ph-step .ph-time { text-align: right; color: var(--ph-muted); }
.ph-track { position: relative; height: 8px; border-radius: 3px; background: var(--ph-soft); }
.ph-track i { position: absolute; top: 0; bottom: 0; border-radius: 3px; min-width: 3px; background: currentColor; }

.ph-cause { font-family: var(--ph-mono); font-size: 12.5px; padding: 6px 10px; border-left: 3px solid #D3261C;
  background: #D3261C14; border-radius: 4px; overflow-wrap: anywhere; }
.ph-log { font-family: var(--ph-mono); font-size: 12px; line-height: 1.55; max-height: 420px; overflow: auto;
  border-radius: 6px; padding: 6px 0; background: var(--ph-soft); border: 1px solid var(--ph-border);
  font-variant-ligatures: none; }
.ph-log.ph-tall { max-height: 70vh; }
.ph-fold summary { padding: 2px 12px 4px 46px; cursor: pointer; color: var(--ph-muted); margin-bottom: 4px;
  border-bottom: 1px dashed var(--ph-border); }
.ph-fold[open] summary { margin-bottom: 0; border: 0; }
.ph-here { color: var(--ph-red); margin-right: 4px; }
.ph-l { display: flex; white-space: pre; padding-right: 12px; width: max-content; min-width: 100%; }
.ph-n { flex: 0 0 58px; text-align: right; padding-right: 12px; color: var(--ph-muted); user-select: none; }
.ph-hit { background: #D3261C2B; box-shadow: inset 3px 0 0 #D3261C; font-weight: 600; }
.ph-err { background: #D3261C14; } .ph-warn { background: #DC861C1F; } .ph-group { font-weight: 600; }

.ph-verdict { display: flex; gap: 12px; align-items: baseline; border: 1px solid var(--ph-border); border-radius: 8px;
  border-left: 4px solid currentColor; padding: 10px 16px; background: var(--ph-soft); }
.ph-verdict b { font-size: 17px; color: light-dark(#0F1720, #E4E9F0); overflow-wrap: anywhere; }
.ph-verdict p { margin: 2px 0 0; font-size: 13px; color: var(--ph-muted); }
.ph-verdict p:empty { display: none; }
.ph-facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 10px; }
.ph-facts > div { border: 1px solid var(--ph-border); border-radius: 8px; padding: 8px 14px; min-width: 0; }
.ph-facts small { color: var(--ph-muted); font-size: 12px; display: block; }
.ph-facts b { font-weight: 600; font-size: 15px; overflow-wrap: anywhere; }
.ph-facts p { margin: 0; font-size: 12.5px; color: var(--ph-muted); overflow-wrap: anywhere; }
.ph-ledger { list-style: none; margin: 0 !important; padding: 0 !important;
  border: 1px solid var(--ph-border); border-radius: 8px; }
.ph-ledger li { display: flex; gap: 10px; padding: 7px 14px !important; font-size: 13.5px; margin: 0 !important; }
.ph-ledger li + li { border-top: 1px solid var(--ph-border); }
.ph-ledger li > span { font-weight: 700; flex: 0 0 14px; }
.ph-ledger div span { color: light-dark(#0F1720, #E4E9F0); overflow-wrap: anywhere; }
.ph-ledger p { margin: 1px 0 0; color: var(--ph-muted); font-size: 12.5px; } .ph-ledger p:empty { display: none; }

@media (max-width: 640px) {
  .stMainBlockContainer { padding-left: .8rem; padding-right: .8rem; }
  .st-key-head { flex-direction: column; align-items: stretch !important; }
  .st-key-head > div { flex: 0 0 auto !important; margin-left: 0 !important; }
  .st-key-filters > div:has(.stMultiSelect), .st-key-run-filters > div:has(.stMultiSelect) {
    flex: 1 1 44%; min-width: 44%; max-width: none; }
  .st-key-freshness [data-testid="stCaptionContainer"] { text-align: left; }
  .ph-step { grid-template-columns: 18px 1fr 74px; } .ph-step .ph-word, .ph-step .ph-track { display: none; }
}
</style>
"""


def style() -> None:
    st.html(_CSS)
