"""What people see. With `app.py` and `pages/` the only importer of streamlit."""
