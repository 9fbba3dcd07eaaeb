"""The sections of the evaluation: `measure(bench) -> results` and `table(results) -> Table` each."""
