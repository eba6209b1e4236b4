"""Real Redis, Valkey and PostgreSQL servers for tests, which can kill, pause and restart them."""
