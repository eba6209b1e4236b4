"""Statement: SQL and what goes with it; `ours` in it stands for the schema that the tables were found in."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

__all__ = ["Rows", "Statement", "Steps", "qualified"]

T = TypeVar("T")

Values = Sequence[Any] | Mapping[str, Any] | None


class Statement(NamedTuple):
    """SQL and its parameters. `often` is for what is asked all the time and goes by an id: one plan serves them all."""

    sql: str
    values: Values = None
    often: bool = False

    def of(self, schema: str) -> tuple[str, Values]:
        """What psycopg is given."""
        return qualified(self.sql, schema, self.values is not None), self.values

    @property
    def prepare(self) -> bool | None:
        """Whether it is prepared: None leaves it to the connection, which counts how often it was asked."""
        return None if self.often else False


@lru_cache(512)
def qualified(sql: str, schema: str, with_values: bool) -> str:
    """`sql` with the schema, as SQL writes its name, for each `ours.`. Where there are values, % is psycopg's."""
    if not schema:
        return sql  # it is not known yet, and not asked for
    return sql.replace("ours.", f"{schema.replace('%', '%%') if with_values else schema}.")


Rows = list[tuple[Any, ...]]

Steps = Generator[Sequence[Statement], Sequence[Rows], T]
"""What an operation wants done, step by step: statements that travel together, for the rows of each."""
