"""Chat Setup: the first key, tested before the first message."""

from mohet_keys.ui import guard, heading, setup_view

guard.enter()
heading.show("Chat Setup", "Configure your AI provider and API key", aside=heading.AVAILABLE)
setup_view.show()
