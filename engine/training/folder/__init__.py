"""A user's folder of sounds as a corpus: scan, read, find tempo and key, describe, cut, store, report."""
