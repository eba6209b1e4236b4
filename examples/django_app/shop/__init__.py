"""The shop: a Django project whose sessions are Sojourn's."""
