"""The numbers of OWASP ASVS that findings have are those of what the standard asks there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# In the words of ASVS 5.0.0.
ASKED = {
    "3.3.1": "cookies have the 'Secure' attribute set",
    "3.3.2": "each cookie's 'SameSite' attribute value is set according to the purpose of the cookie",
    "3.3.3": "cookies have the '__Host-' prefix",
    "3.3.4": "the cookie must have the 'HttpOnly' attribute set",
    "3.4.2": "if the Origin HTTP request header field value is used, it is validated against an allowlist",
    "3.5.1": "these requests are validated to ensure they originate from the application itself",
    "3.5.3": "appropriate HTTP methods such as POST, PUT, PATCH, or DELETE",
    "7.1.2": "how many concurrent (parallel) sessions are allowed for one account",
    "7.2.3": "generated using a cryptographically secure pseudo-random number generator",
    "7.2.4": "generates a new session token on user authentication",
    "7.3.1": "there is an inactivity timeout",
    "7.3.2": "there is an absolute maximum session lifetime",
    "7.4.1": "disallows any further use of the session",
    "12.3.1": "an encrypted protocol such as TLS is used for all inbound and outbound connections",
    "13.2.1": "communications between backend application components […] are authenticated",
    "13.2.2": "performed with accounts assigned the least necessary privileges",
    "14.2.2": "prevents sensitive data from being cached in server components, such as load balancers",
}

_numbers = re.compile(r"\b\d{1,2}\.\d\.\d{1,2}\b").findall


def test_findings_and_their_page_have_the_numbers_that_were_looked_up_and_no_others() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src/sojourn/doctor").glob("*.py"))
    page = (ROOT / "docs/doctor.md").read_text("utf-8")

    # The page has 3.3.1–3.3.4 in one.
    assert set(_numbers(sources)) == set(_numbers(page)) | {"3.3.2", "3.3.3"} == set(ASKED)
