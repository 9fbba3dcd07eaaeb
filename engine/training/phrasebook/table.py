"""The columns of the phrasebook."""

from __future__ import annotations

from dataclasses import dataclass


def split(column: str) -> tuple[str, ...]:
    """The entries of a column, which semicolons part; line breaks and indentation are spaces."""
    return tuple(entry for piece in column.split(";") if (entry := " ".join(piece.split())))


@dataclass(frozen=True)
class Said:
    """What people say for one style; entries parted by semicolons.

    names: what it is called, also by slang, misspellings and other languages. heard: what sounds, to go after "with".
    scenes: places, times and uses, to go after "music for". whole: requests that stand for themselves.
    hints: single words and fragments that bring it to mind. abroad: what people say who do not speak English.
    """

    names: str
    heard: str
    scenes: str
    whole: str
    hints: str
    abroad: str

    def column(self, name: str) -> tuple[str, ...]:
        entries: str = getattr(self, name)
        return split(entries)

    def all(self) -> tuple[str, ...]:
        """Every entry once."""
        columns = (self.names, self.heard, self.scenes, self.whole, self.hints, self.abroad)
        return tuple(dict.fromkeys(entry for column in columns for entry in split(column)))
