"""A request becomes bars in four stages: `condition`, `sample`, `decode`, `fit`; `generate` calls them.

`load` opens a bundle. What a request may ask beside the stages has modules of its own: edits and loops (`line`,
`edits`, `looping`, `mend`), long form (`crops`), plans (`planned`), style from audio (`reference`), targets on some
bars (`partial`, `stretches`).
"""
