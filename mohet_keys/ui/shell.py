"""The script that `st.App` runs on every visit: page settings, header, navigation, page.

It lies outside the top level on purpose: beside a main script, Streamlit serves each file of a
`pages/` folder by itself until navigation has run once, so the first visitor of a fresh server
would get a page without what stands here.
"""

from pathlib import Path

import streamlit as st

ROOT = Path(__file__).parents[2]

st.set_page_config(page_title="Mohet Keys", page_icon=":material/key:", layout="wide")

keys_page = st.Page(
    ROOT / "pages" / "api_keys.py",
    title="API Keys",
    icon=":material/key:",
    url_path="api_keys",
    default=True,
)
page = st.navigation([keys_page], position="hidden")
with st.container(horizontal_alignment="center").container(width=1200):
    page.run()
