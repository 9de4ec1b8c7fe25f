"""Overview: every key at a glance."""

from mohet_keys.ui import check_watch, guard, overview_view

guard.enter()
overview_view.show()
check_watch.show()
