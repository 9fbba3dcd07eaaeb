"""State folders as `jalv -l DIR` loads them: the plugin's words, as a saved session has them."""

from __future__ import annotations

from pathlib import Path

STATE = """@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .

<> a pset:Preset ;
    lv2:appliesTo <{uri}> ;
    state:state [
        {words}
    ] .
"""


def write_state(folder: Path, uri: str, **words: str) -> Path:
    """FOLDER/state.ttl with prompt_a, prompt_b, seed. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = " ;\n        ".join(f'<{uri}#{key}> "{value}"' for key, value in words.items())
    (folder / "state.ttl").write_text(STATE.format(uri=uri, words=lines))
    return folder
