"""Verification: whether a trail is whole: no entry removed, changed, moved or put in. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .chain import START, Link, link_of, parse_line

__all__ = ["EntryPlace", "Flaw", "Verification"]


class EntryPlace(NamedTuple):
    """A line of a file, from 1 on."""

    file: str
    line: int


class Flaw(NamedTuple):
    """What is wrong, and where. Of what is `removed` it is the line that it stood before."""

    place: EntryPlace
    kind: Literal["removed", "changed", "moved", "added"]
    detail: str


class Verification:
    """Lines of one trail, oldest first, looked at one after the other. Its memory grows with the flaws alone.

    `partial`: what came before the first line is not missed. `after`: the entry before the first one, of a trail that
    is all there, even where there is no line: a table's.
    """

    def __init__(self, *, partial: bool = False, after: Link | None = None) -> None:
        self._partial = partial
        self._is_all = after is not None
        self.entries = 0
        self.first: int | None = None
        # The entry with the greatest number, and its line. Its hash is "" where nobody knows it.
        self.last = after or START
        self._place: EntryPlace | None = None
        self._flaws: list[Flaw] = []
        # Numbers that were passed over, from the first to the last, and before which line.
        self._gaps: list[tuple[int, int, EntryPlace]] = []

    def finish(self, kept: Link | None = None, end: EntryPlace | None = None) -> list[Flaw]:
        """What is wrong, in order. `kept` is the last link that was written down beside the trail."""
        flaws = [*self._flaws]
        for first, last, place in self._gaps:
            missing = f"entry {first} is" if first == last else f"entries {first} to {last} are"
            flaws.append(Flaw(place, "removed", f"{missing} missing before this line"))
        is_known = self._is_all or self.first is not None
        if kept is not None and end is not None and is_known and kept.n > self.last.n:
            flaws.append(Flaw(end, "removed", f"the last entry is {kept.n}, and what follows {self.last.n} is missing"))
        elif kept is not None and end is not None and kept.n == self.last.n and self.last.hash not in ("", kept.hash):
            flaws.append(Flaw(end, "changed", f"entry {kept.n} is not the one that was written"))
        return sorted(flaws)

    def look(self, place: EntryPlace, line: bytes) -> None:
        """Look at the next line."""
        self.entries += 1
        entry = parse_line(line)
        if entry is None:
            self._flaws.append(Flaw(place, "changed", "this line is no entry"))
            self._take(Link(self.last.n + 1, ""), place)
            return
        n: int = entry["n"]
        link = link_of(entry, line)
        if link is None:
            self._flaws.append(Flaw(place, "changed", f"entry {n} is not as it was written"))
        if n <= self.last.n:
            self._step_back(n, place)
            return
        if n == self.last.n + 1:
            self._compare(entry["prev"], place)
        elif self.first is not None or not self._partial:
            self._gaps.append((self.last.n + 1, n - 1, place))
        # What was changed has the hash that the next one follows, unless that was changed too.
        self._take(link or Link(n, ""), place)

    def _compare(self, prev: str, place: EntryPlace) -> None:
        if self.last.hash not in ("", prev):
            at = self._place or place
            self._flaws.append(Flaw(at, "changed", f"entry {self.last.n} is not the one that the next one follows"))

    def _step_back(self, n: int, place: EntryPlace) -> None:
        for gap in self._gaps:
            first, last, before = gap
            if first <= n <= last:
                self._gaps.remove(gap)
                self._gaps += [each for each in ((first, n - 1, before), (n + 1, last, before)) if each[0] <= each[1]]
                self._flaws.append(Flaw(place, "moved", f"entry {n} stands behind entry {self.last.n}"))
                return
        self._flaws.append(Flaw(place, "added", f"there is an entry {n} already, or what was before it is gone"))

    def _take(self, link: Link, place: EntryPlace) -> None:
        self.first = link.n if self.first is None else self.first
        self.last, self._place = link, place
