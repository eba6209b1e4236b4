"""The picture of the wings is made from the import graph, says all of it, and can be read."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from scripts import wings


def test_the_picture_is_what_the_imports_say() -> None:
    assert wings.PICTURE.read_text("utf-8") == wings.picture(), "run `make pages`, and commit it"


def test_every_import_between_wings_is_an_arrow_or_a_longer_way() -> None:
    ways, _ = wings.imports()
    drawn = wings.shortest(ways)

    assert {wing: wings.below(drawn, wing) for wing in ways} == {wing: wings.below(ways, wing) for wing in ways}
    assert sum(map(len, drawn.values())) < sum(map(len, ways.values()))


def test_nothing_stands_in_another_s_way() -> None:
    """Boxes and the lanes between them: each is clear of its neighbours, and on the card."""
    ways, _ = wings.imports()
    middle, _ = wings.lay_out(wings.shortest(ways), wings.floors(ways))
    for floor in {floor for floor, _ in middle}:
        row = sorted(
            (x - wings.width(place) / 2, x + wings.width(place) / 2) for place, x in middle.items() if place[0] == floor
        )

        assert all(one[1] < other[0] for one, other in pairwise(row))
        assert row[0][0] >= 0
        assert row[-1][1] <= wings.WIDTH


def test_every_wing_is_named_once_and_the_picture_is_described() -> None:
    root = ElementTree.fromstring(wings.PICTURE.read_text("utf-8"))
    names = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"]

    assert sorted(filter(None, names)) == sorted(wings.NOTES)
    assert "asgi imports " in (root.findtext("{http://www.w3.org/2000/svg}desc") or "")
