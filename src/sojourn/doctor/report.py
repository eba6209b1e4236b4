"""The report as one HTML page, which needs nothing else: for an auditor, light or dark, on screen and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version

from .finding import Finding

__all__ = ["html"]

_STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#1c2430,#e7ebf0);--faint:light-dark(#556070,#a3adba);
--paper:light-dark(#fff,#14181e);--line:light-dark(#d8dee6,#343c47);--high:light-dark(#a4161a,#ff8a8a);
--medium:light-dark(#8a4b00,#ffb860);--low:light-dark(#5c5a00,#e0d860);--good:light-dark(#14632f,#7fd69b);
--other:var(--faint)}
*{box-sizing:border-box}
body{background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:3rem auto;
padding:0 1.25rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0}h2{font-size:1.1rem;margin:0}
header p{margin:.3rem 0;color:var(--faint)}header p.verdict{color:var(--ink);font-weight:600}
header{margin:0 0 1.75rem}
section{border:1px solid var(--line);border-left:.3rem solid var(--tone);border-radius:.4rem;padding:1rem 1.25rem;
margin:0 0 1rem;break-inside:avoid}
section>div{display:flex;flex-wrap:wrap;gap:0 1rem;justify-content:space-between;align-items:baseline}
section b{color:var(--tone);font-size:.85rem;white-space:nowrap}
dl{display:grid;grid-template-columns:5rem 1fr;gap:.3rem 1rem;margin:.6rem 0 0}dt{color:var(--faint)}dd{margin:0}
h2.good{margin:2rem 0 .5rem;color:var(--good)}
table{border-collapse:collapse;width:100%;font-size:.95rem}
td,th{border-top:1px solid var(--line);padding:.5rem .75rem .5rem 0;text-align:left;vertical-align:top}
th{font-weight:600;white-space:nowrap}thead th{color:var(--faint);font-weight:400;border:0}
td:last-child,th:last-child{padding-right:0;white-space:nowrap}
@media(max-width:36rem){body{margin:1.5rem auto}section{padding:.9rem 1rem}
dl{grid-template-columns:3rem 1fr;gap:.2rem .75rem}
thead{display:none}tr{display:block;border-top:1px solid var(--line);padding:.6rem 0}
td,th{display:block;border:0;padding:0}td:empty{display:none}
td+td:not(:last-child)::before{content:"→ ";color:var(--faint)}td:last-child::before{content:"ASVS ";color:var(--faint)}
td:last-child{white-space:normal;color:var(--faint)}}
@media print{:root{color-scheme:light}body{margin:0;max-width:none}tr{break-inside:avoid}}
"""
_TONES = {"high": "high", "medium": "medium", "low": "low"}


def html(target: str, findings: Sequence[Finding], verdict: str) -> str:
    """The page."""
    now = datetime.now(UTC)
    good = [finding for finding in findings if finding.severity == "good"]
    others = [finding for finding in findings if finding.severity != "good"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Sessions of {escape(target)}</title><style>{_STYLE}</style></head><body>"
        f'<header><h1>Sessions of {escape(target)}</h1><p class="verdict">{escape(verdict)}</p>'
        f'<p>Looked at on <time datetime="{now.isoformat(timespec="seconds")}">{now:%d %B %Y, %H:%M} UTC</time> by '
        f"sojourn doctor {escape(version('sojourn'))}. Numbers are those of OWASP ASVS 5.0.</p></header><main>"
        f"{''.join(map(_section, others))}{_table(good) if good else ''}</main></body></html>\n"
    )


def _section(finding: Finding) -> str:
    rows = [("Sent", finding.sent), ("Came", finding.came), ("Mend", finding.mend), ("ASVS", finding.asvs)]
    shown = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows if text)
    tone = _TONES.get(finding.severity, "other")
    return (
        f'<section style="--tone:var(--{tone})"><div><h2>{escape(_titled(finding))}</h2><b>{finding.severity}</b></div>'
        f"<dl>{shown}</dl></section>"
    )


def _table(good: Sequence[Finding]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(_titled(finding))}</th><td>{escape(finding.sent)}</td>'
        f"<td>{escape(finding.came)}</td><td>{escape(finding.asvs)}</td></tr>"
        for finding in good
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Check", "Sent", "Came", "ASVS"))
    return f'<h2 class="good">Tried, and good</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _titled(finding: Finding) -> str:
    return finding.check[0].upper() + finding.check[1:]
