"""The report as one HTML page, which needs nothing else: for an auditor, light or dark, on screen and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .finding import Finding

__all__ = ["html"]

_STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#1c2430,#e7ebf0);--faint:light-dark(#556070,#a3adba);
--paper:light-dark(#fff,#14181e);--line:light-dark(#d8dee6,#343c47);--high:light-dark(#a4161a,#ff8a8a);
--medium:light-dark(#8a4b00,#ffb860);--low:light-dark(#5c5a00,#e0d860);--other:var(--faint)}
body{background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;
padding:0 1.25rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:0}p{margin:.3rem 0 1.5rem;color:var(--faint)}
section{border:1px solid var(--line);border-left:.3rem solid var(--tone);border-radius:.4rem;padding:1rem 1.25rem;
margin:0 0 1rem;break-inside:avoid}
section b{float:right;color:var(--tone);font-size:.85rem}
dl{display:grid;grid-template-columns:5rem 1fr;gap:.3rem 1rem;margin:.6rem 0 0}dt{color:var(--faint)}
dd{margin:0;overflow-wrap:anywhere}
@media print{:root{color-scheme:light}body{margin:0;max-width:none}}
"""
_TONES = {"high": "high", "medium": "medium", "low": "low"}


def html(target: str, findings: Sequence[Finding], verdict: str) -> str:
    """The page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Sessions of {escape(target)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>Sessions of {escape(target)}</h1><p>{escape(verdict)}</p>"
        f"{''.join(map(_section, findings))}</body></html>\n"
    )


def _section(finding: Finding) -> str:
    rows = [("Sent", finding.sent), ("Came", finding.came), ("Mend", finding.mend), ("ASVS 5.0", finding.asvs)]
    shown = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows if text)
    tone = _TONES.get(finding.severity, "other")
    title = escape(finding.check[0].upper() + finding.check[1:])
    return f'<section style="--tone:var(--{tone})"><b>{finding.severity}</b><h2>{title}</h2><dl>{shown}</dl></section>'
