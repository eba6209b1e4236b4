"""Sessions without a web framework: threads that write at once, a log-out, and a write that comes too late.

python examples/script.py
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sojourn import Client, Policy, SessionEnded, SessionManager, open_store

THREADS = 20

manager = SessionManager(open_store("memory:"), Policy(idle_timeout=600))


def log_in(user: str) -> str:
    """A new session's token. It is for the browser, and nobody else."""
    session = manager.anonymous(Client(ip="192.0.2.1", user_agent="A script"))
    session.login(user)
    reply = manager.commit(session)
    assert reply.token is not None
    return reply.token.reveal()


def main() -> None:
    token = log_in("ada")

    # All are open before the first commits, as slow requests of one browser are.
    requests = [manager.open(token) for _ in range(THREADS)]
    for number, session in enumerate(requests):
        session[f"key {number}"] = number
        session.increment("writes")
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(manager.commit, requests))
    kept = manager.open(token)
    print(f"{len(kept) - 1} of {THREADS} keys kept, {kept['writes']} writes counted")

    slow, quick = manager.open(token), manager.open(token)
    quick.logout()
    manager.commit(quick)
    slow["cart"] = ["too late"]
    try:
        manager.commit(slow)
    except SessionEnded as error:
        print(error)
    print(f"The token opens: {manager.open(token).status}, {manager.open(token).end_reason}")

    log_in("ada"), log_in("ada")
    print(f"{manager.revoke_all('ada')} other sessions revoked, {len(manager.list('ada'))} left")


if __name__ == "__main__":
    main()
