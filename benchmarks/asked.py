"""A benchmark that asks for something: one line of results, a sentence for each verdict, exit code 1 where one is no.

`line.options(with_fake=True)` gives a command its options. What is asked for stands in `found["asked_for"]`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from benchmarks.line import MISTAKE, Found, told
from bridge.commands import measure
from bridge.commands.common import print_line
from engine.errors import AttaccaError


def run(name: str, body: Callable[[list[str]], Found], show: Callable[[Found, str], None], shared: Any) -> None:
    """Measures and tells.

    body: measures engines that `attacca serve` starts with these options. show: prints what was found of a bundle.
    shared: the values of `line.options`. A mistake of the user's is one sentence and exit code 2.
    """
    said = told(**shared)
    try:
        where = measure.facts(said.bundle_name)
        found = body(said.engine_options)
    except AttaccaError as error:
        click.echo(str(error), err=True)
        sys.exit(MISTAKE)
    line = {"benchmark": name, **where, **found}
    if said.results is not None:
        measure.append(said.results, line)
    if said.as_json:
        print_line(line)
    else:
        show(found, where["bundle"])
    for asked, so in found["asked_for"].items():
        click.echo(f"{asked.replace('_', ' ')}: {'yes' if so else 'NO'}", err=said.as_json)
    if not all(found["asked_for"].values()):
        sys.exit(1)
