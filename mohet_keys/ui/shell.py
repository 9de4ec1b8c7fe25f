"""The script that `st.App` runs on every visit: page settings, header, navigation, page.

It lies outside the top level on purpose: beside a main script, Streamlit serves each file of a
`pages/` folder by itself until navigation has run once, so the first visitor of a fresh server
would get a page without what stands here.
"""

from contextlib import nullcontext

import streamlit as st

from mohet_keys.errors import DeniedError, SignedOutError, StoreError
from mohet_keys.ui import demo_banner, guard, header, places, resources, state

WIDTH = 1200
"""Pixels that a wide page takes at most."""

pages = {
    st.Page(
        place.file,
        title=place.title,
        url_path=None if place is places.PLACES[0] else place.name,
        default=place is places.PLACES[0],
    ): place
    for place in places.PLACES
    if place is not places.TEAM or resources.has_team()
}
page = st.navigation(list(pages), position="hidden")
layout = next(place.layout for known, place in pages.items() if known == page)
# Without an icon: the server has one at the place where a tab looks for it, and to hand a picture
# over here would load numpy for the first page.
st.set_page_config(page_title="Mohet Keys", layout=layout)

if guard.lets_in():
    state.renew()
    # The chat's field is pinned to the bottom only while nothing is around the page.
    frame = st.container(horizontal_alignment="center").container(width=WIDTH)
    with frame if layout == "wide" else nullcontext():
        try:
            demo_banner.show()
            header.show()
            page.run()
        except (SignedOutError, DeniedError) as error:
            guard.turn_out(error)
        except StoreError as error:
            guard.refuse(error)
