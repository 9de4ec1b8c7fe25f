"""Team: who is in it, and what is allowed to all. For administrators."""

from mohet_keys.ui import guard, heading, team_dialog, team_view

guard.enter()
heading.titled("team", "### Team", "Who is in it, and what is allowed to all")
team_view.show()
team_dialog.show()
