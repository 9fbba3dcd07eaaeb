"""The papers' experiments as a page: `python -m benchmarks.papers` (`__main__`).

`lines` reads what `attacca train --recipe` left and pools seeds, `claims` says what the papers claim and judges it by
intervals, `tables` and `pictures` show it.
"""
