"""The commands of `attacca`, one file a topic. Together with `bridge.cli` they are a composition root:
they may import anything, but heavy modules only inside the command's function.
"""
