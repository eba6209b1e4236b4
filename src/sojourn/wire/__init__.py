"""The wire between back ends and the session service, version 1: what is asked, what is answered, and by what names.

The service and `sojourn.remote` both speak by it, and neither loads the other. Nothing in it does I/O.
"""
