"""Control: does the sound follow its target, and by how much effort? `python -m benchmarks.control` (`__main__`).

`tasks` asks, `systems` renders, `arranging`, `notes` and `distance` judge, `rows` keeps each clip, `page` tells.
"""
