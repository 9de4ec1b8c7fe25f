"""Activity: what happened to keys."""

from mohet_keys.ui import activity_view, guard, heading

guard.enter()
heading.titled("activity", "### Activity", "What happened to your keys, and who did it")
activity_view.show()
