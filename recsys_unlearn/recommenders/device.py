"""Where dense tables are trained: the machine decides, and no version remembers."""

import os

import torch

from recsys_unlearn.errors import ConfigError

VARIABLE = "RECSYS_UNLEARN_DEVICE"


def training_device() -> torch.device:
    """CUDA's current device where there is one, else the CPU; ``RECSYS_UNLEARN_DEVICE=cpu`` keeps to that.

    Raises
    ------
    ConfigError
        If the variable names anything else.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "cpu"):
        raise ConfigError(f"{VARIABLE} is {wanted!r}: set it to cpu, or leave it out")
    return torch.device("cuda" if torch.cuda.is_available() and not wanted else "cpu")
