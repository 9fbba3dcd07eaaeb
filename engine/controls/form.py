"""Form strings and how hard to try: "ABA" over 12 bars is four bars of A, four of B, four of A. Loads without torch."""

from __future__ import annotations

import re

from engine.errors import BadRequest
from engine.timing import shown
from engine.types import Request

MAX_LETTERS = 64
REFINE_ITERATIONS = (1, 1000)
REFINE_SECONDS = (0.1, 600.0)
FORM_SENTENCE = f'A form is 1 to {MAX_LETTERS} letters from A to Z, one a section, as in "AABA"'
REFINE_SENTENCE = (
    f'refine is a number of iterations from {REFINE_ITERATIONS[0]} to {REFINE_ITERATIONS[1]}, as in "70", or seconds'
    f' from {REFINE_SECONDS[0]:g} to {REFINE_SECONDS[1]:g}, as in "5s"'
)


def parse_form(text: str, bars: int) -> tuple[str, ...]:
    """The section's letter of each of `bars` bars; the letters must divide them."""
    letters = text.strip().upper()
    if re.fullmatch(rf"[A-Z]{{1,{MAX_LETTERS}}}", letters) is None:
        raise BadRequest(f"{FORM_SENTENCE}; got {shown(text)}.")
    each, rest = divmod(bars, len(letters))
    if rest or each == 0:
        raise BadRequest(
            f"A form of {len(letters)} letters needs a number of bars that {len(letters)} divides; these are {bars}."
        )
    return tuple(letter for letter in letters for _ in range(each))


def parse_refine(text: str) -> tuple[int | None, float | None]:
    """(iterations, None) of "70", (None, seconds) of "5s"."""
    bare = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,4}", bare) and REFINE_ITERATIONS[0] <= int(bare) <= REFINE_ITERATIONS[1]:
        return int(bare), None
    if re.fullmatch(r"(?:[0-9]{1,3}(?:\.[0-9]{0,6})?|\.[0-9]{1,6})\s*s", bare):
        seconds = float(bare[:-1])
        if REFINE_SECONDS[0] <= seconds <= REFINE_SECONDS[1]:
            return None, seconds
    raise BadRequest(f"{REFINE_SENTENCE}; got {shown(text)}.")


def check_form(request: Request) -> None:
    """Raises BadRequest where form and refine cannot be followed."""
    if request.refine is not None:
        parse_refine(request.refine)
    if request.form is not None:
        parse_form(request.form, request.bars)
        if request.refine is None and request.plan in (False, "auto"):
            raise BadRequest('A form is followed by refining or a plan: give refine, as in "20" or "5s", or plan.')
