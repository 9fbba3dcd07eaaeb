"""MIDI that comes in: ports, raw bytes, files played in real time; notes out of it."""
