"""API Keys: one tab for each provider."""

from mohet_keys.ui import check_watch, delete_dialog, guard, heading, provider_tabs

guard.enter()
heading.show("API Keys", "Manage your AI provider connections")
provider_tabs.show()
delete_dialog.show()
check_watch.show()
