"""For readers, who hold no lock: to read once more what a writer has replaced meanwhile."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from recsys_unlearn.errors import StoreError, VersionError

PAUSES = (0.05, 0.25)  # seconds; a writer replaces files in milliseconds, and is rarely at it twice

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def steady(read: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Make a reader start over if a store or a version was not whole.

    A reader opens the store and the champion's files one after the other, and a deletion may replace the
    one, or purge the other, in between. What is really damaged is so the third time too.
    """

    @wraps(read)
    def again(*arguments: Arguments.args, **options: Arguments.kwargs) -> Answer:
        for pause in PAUSES:
            try:
                return read(*arguments, **options)
            except (StoreError, VersionError):
                time.sleep(pause)
        return read(*arguments, **options)

    return again
