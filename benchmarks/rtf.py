"""Real-time factors: compute time over audio time, by length and steps.

    python -m benchmarks.rtf [--full] [--bundle DIR] [--device cpu] [--repeats 20]

Prints the machine's floor, then p50, p95 and p99, and appends one line to results.jsonl.
"""

from __future__ import annotations

from pathlib import Path

import click

from bridge.commands import measure
from bridge.commands.bundles import bundle_path

RESULTS = Path(__file__).with_name("results.jsonl")


@click.command()
@click.option("--full", is_flag=True, help="1 to 15 bars (2 to 30 s) at 1, 2, 4 and 8 steps.")
@click.option("--bundle", type=click.Path(path_type=Path))
@click.option("--device", default="auto", show_default=True)
@click.option("--repeats", type=click.IntRange(2, 10_000), default=20, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where the line is appended.")
def main(full: bool, bundle: Path | None, device: str, repeats: int, results: Path) -> None:
    path = bundle_path(bundle)
    where = measure.facts(path.name)
    gflops = measure.gemm_gflops()
    click.echo(f"floor: float32 matrix products run at {gflops:.0f} GFLOP/s here; load {where['load'][0]}")
    with measure.resident(path, device) as ask:
        cases = [measure.measure(ask, case, repeats) for case in (measure.FULL if full else measure.QUICK)]
    measure.print_table(f"real-time factors, {path.name}", measure.RTF_HEADINGS, map(measure.rtf_row, cases))
    measure.append(results, {"benchmark": "rtf", **where, "gemm_gflops": round(gflops, 1), "cases": cases})


if __name__ == "__main__":
    main()
