"""Six providers on loopback, for the tests and the demo. Nothing here leaves the machine.

The secret chooses the behaviour: `sk-proj-sim-good-…`, `gsk_sim-revoked-…` and so on, as listed
in `behaviours.py`. A secret that names no behaviour is an unknown key.
"""
