"""Paths from data to noise, and samplers along them: plain functions with an explicit generator.

`flow` and `jumps` are what the shipped teacher and student use, `guidance` their conditions' strengths, `restart` the
way back in for edits; the others are the papers' ways, for experiments and older bundles.
"""
