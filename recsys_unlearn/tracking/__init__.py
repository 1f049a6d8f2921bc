"""Runs, versions and pictures in MLflow: SQLite and files below ``WORKSPACE/mlruns``, nothing remote.

Importing this room costs nothing: MLflow (1.4 s) and matplotlib (0.4 s) are loaded when first needed.
"""

from recsys_unlearn.tracking.compare import compare
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.tracking.runs import Run, Tracker
from recsys_unlearn.tracking.versions import Version

__all__ = ["Registry", "Run", "Tracker", "Version", "compare"]
