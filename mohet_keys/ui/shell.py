"""The script that `st.App` runs on every visit: page settings, header, navigation, page.

It lies outside the top level on purpose: beside a main script, Streamlit serves each file of a
`pages/` folder by itself until navigation has run once, so the first visitor of a fresh server
would get a page without what stands here.
"""

from pathlib import Path

import streamlit as st

from mohet_keys.errors import StoreError
from mohet_keys.ui import guard, marks

PAGES = Path(__file__).parents[2] / "pages"

# An icon by name would be fetched from another host, so the mark is handed over as a picture.
st.set_page_config(page_title="Mohet Keys", page_icon=marks.icon(), layout="wide")

keys_page = st.Page(PAGES / "api_keys.py", title="API Keys", url_path="api_keys")


def home() -> None:
    """The bare address leads to the keys; a default page would lose its own address."""
    st.switch_page(keys_page, query_params=st.query_params.to_dict())


page = st.navigation(
    [st.Page(home, title="Mohet Keys", default=True), keys_page], position="hidden"
)
with st.container(horizontal_alignment="center").container(width=1200):
    try:
        page.run()
    except StoreError as error:
        guard.refuse(error)
