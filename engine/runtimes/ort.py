"""ONNX Runtime, kept from reporting to its maker.

From 1.29 on its Linux builds, once imported, keep an identifier in the user's cache and send events of each process and
model over the network, from a thread of their own. A variable that is set before the import turns all of it off, so
everybody takes the module from here (tests/test_ort.py). Who wants the reports sets the variable to 0.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
