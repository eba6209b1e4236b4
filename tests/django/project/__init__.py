"""A Django project: accounts, the admin, messages, a shop of a few views, and Sojourn's page and endpoints."""
