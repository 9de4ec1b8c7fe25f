"""Chat: talk through the selected key."""

from mohet_keys.ui import chat_view, guard

guard.enter()
guard.needs_a_key()
chat_view.show()
