"""A package, so that a fixture of scope "package" ends where this folder does."""
