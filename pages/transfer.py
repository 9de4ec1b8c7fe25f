"""Import and export: keys to and from another machine."""

from mohet_keys.ui import guard, heading, transfer_view

guard.enter()
heading.show("Import and export", "Carry keys from one machine to another")
transfer_view.show()
