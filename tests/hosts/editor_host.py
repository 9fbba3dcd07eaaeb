"""Shows a VST3's window in pedalboard (JUCE) until a line comes in, then tells what the plugin has become, as JSON.

`python -m tests.hosts.editor_host PLUGIN`, with DISPLAY set. A process of its own: windows belong to the main thread.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading

import pedalboard

from tests.hosts import juce_state


def main(path: str) -> None:
    handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda display, error: 0)
    ctypes.CDLL("libX11.so.6").XSetErrorHandler(handler)  # JUCE asks window 0 for a property, which Xlib ends it for
    plugin = pedalboard.load_plugin(path)
    closed = threading.Event()

    def wait() -> None:
        sys.stdin.readline()
        closed.set()

    threading.Thread(target=wait, daemon=True).start()
    plugin.show_editor(closed)
    values = {name: float(parameter.raw_value) for name, parameter in plugin.parameters.items()}
    words = juce_state.values(juce_state.component(plugin.raw_state))
    print(json.dumps({"values": values, "words": words}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
