"""How many threads torch gets."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """One thread for work in many short calls, if ``wanted``; as many as before for what comes after.

    torch shares every call over 32,768 numbers or more. Where a thread that waits sleeps
    (``OMP_WAIT_POLICY=PASSIVE``), waking it takes as long as such a call.
    """
    threads = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
