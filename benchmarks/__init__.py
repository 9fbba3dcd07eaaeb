"""Scripts that measure and append what they found to results.jsonl. Run as `python -m benchmarks.rtf`."""
