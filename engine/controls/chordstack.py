"""The intervals of a chord while its suffix is read: what the names that people type and roman numerals share."""

from __future__ import annotations

from dataclasses import dataclass

_TALL = {"": (), "7": (), "9": (2,), "11": (2, 5), "13": (2, 9)}
_ADDED = {"9": 2, "2": 2, "11": 5, "4": 5, "13": 9, "6": 9}
_ALTERED = {"b9": 1, "#9": 3, "b11": 4, "#11": 6, "b13": 8, "#13": 10}


@dataclass(slots=True)
class Stack:
    """Semitones over the root; None where a degree is left out."""

    third: int | None = 4
    fifth: int | None = 7
    seventh: int | None = None
    extras: tuple[int, ...] = ()

    def intervals(self) -> tuple[int, ...]:
        """All of them, the root first, without repeats."""
        core = [0, *(x for x in (self.third, self.fifth, self.seventh) if x is not None)]
        return tuple(dict.fromkeys([*core, *self.extras]))

    def read(self, kind: str, text: str) -> None:
        """One token of a suffix.

        kind: six, major, half, dim, minor, aug, sus, add, alter or ext. text: the degree that major ("7" or nothing),
        half, dim and add name; the whole token of sus ("sus2"), alter ("b9") and ext ("13").
        """
        match kind:
            case "six":
                self.extras += (9, 2)
            case "major":
                self.seventh = 11 if text else self.seventh
                self.extras += _TALL[text]
            case "half":
                self.third, self.fifth, self.seventh = 3, 6, 10
                self.extras += _TALL[text]
            case "dim":
                self.third, self.fifth = 3, 6
                self.seventh = 9 if text else self.seventh
            case "minor":
                self.third = 3
            case "aug":
                self.fifth = 8
            case "sus":
                self.third = 2 if text == "sus2" else 5
            case "add":
                self.extras += (_ADDED[text],)
            case "alter":
                self._alter(text)
            case _:
                self._extend(text)

    def _alter(self, text: str) -> None:
        if text in ("b5", "#5"):
            self.fifth = 6 if text == "b5" else 8
        else:
            self.extras += (_ALTERED[text],)

    def _extend(self, text: str) -> None:
        if text == "5":
            self.third = None
        elif text == "6":
            self.extras += (9,)
        else:
            self.seventh = 10 if self.seventh is None else self.seventh
            self.extras += _TALL[text]
