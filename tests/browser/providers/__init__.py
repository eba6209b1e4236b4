"""Shops whose visitors log in at an identity provider of another site, with Authlib, one for each framework."""
