"""The command line, ``recsys-unlearn``: each command parses, calls the library, and prints.

Nothing here imports more than click until a command runs, so that ``--help`` answers at once.
"""

from recsys_unlearn.cli.main import main

__all__ = ["main"]
