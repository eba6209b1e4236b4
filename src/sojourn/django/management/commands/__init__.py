"""The command `manage.py sojourn`."""
