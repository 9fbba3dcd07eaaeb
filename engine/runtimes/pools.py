"""Thread pools that would spin beside ours: where ONNX Runtime runs the networks, torch and BLAS keep to one thread.

What is left to them are small products between networks. A second OpenMP or OpenBLAS thread gains nothing there, and
spins on the core on which a piece is being spoken (`engine.models.synthesis`).
"""

from __future__ import annotations

import torch
from threadpoolctl import threadpool_limits


def keep_to_one_thread() -> None:
    """For the whole process, from now on."""
    torch.set_num_threads(1)
    threadpool_limits(limits=1, user_api="blas")
