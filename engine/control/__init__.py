"""Closer adherence at the price of time: the starting noise is optimised through the student (DITTO-2).

`extract` reads what is controlled off decoded features, `targets` says what is wanted of it, `optimise` searches the
noise, `surrogate` is what it searches through, `teacher` the baseline without a student, `refine` what a render calls.
"""
