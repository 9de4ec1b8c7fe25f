"""API Keys: one tab for each provider."""

from mohet_keys.ui import (
    check_watch,
    delete_dialog,
    guard,
    heading,
    places,
    provider_tabs,
    replace_watch,
    reveal_dialog,
    team_share_dialog,
)

guard.enter()
heading.show(
    "API Keys",
    "Manage your AI provider connections",
    aside=heading.AVAILABLE,
    leads_to=places.TRANSFER,
)
provider_tabs.show()
delete_dialog.show()
team_share_dialog.show()
reveal_dialog.show()
check_watch.show()
replace_watch.show()
