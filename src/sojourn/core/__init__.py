"""The core decides: no I/O, no clock, no framework, and nothing of Sojourn's from outside this folder."""
