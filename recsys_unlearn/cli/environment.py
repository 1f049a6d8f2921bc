"""Settings that numeric libraries read once, when they are imported; so they come before any of them."""

import os

DEFAULTS = {
    # A waiting thread sleeps. By default it spins, and on a shared machine takes the cores it waits for.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",  # implicit runs its own threads, and ten times slower inside OpenBLAS's
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "POLARS_VERBOSE": "0",  # its log quotes file contents
}


def prepare() -> None:
    """Set each of :data:`DEFAULTS` that the user has not set."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
