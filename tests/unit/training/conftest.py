"""Two spinning threads on a busy machine are many times slower than one."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
