"""MLflow itself: loaded late, quickly, and with everything off that would phone home or unpickle."""

import gc
import logging
import os
from functools import cache
from types import ModuleType

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",  # a sampling thread for each run
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}


@cache
def load_mlflow() -> ModuleType:
    """Return the ``mlflow`` module with its SQL stores, after :data:`SETTINGS` is in the environment.

    The garbage collector rests meanwhile: the 2,400 modules are all kept, and walking them again and
    again takes a third of the time (2.0 s with it, 1.4 s without, on the reference machine).
    """
    os.environ.update(SETTINGS)
    collecting = gc.isenabled()
    gc.disable()
    try:
        import mlflow
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store
    finally:
        if collecting:
            gc.enable()
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)  # "Creating initial database tables..."
    # A statement with its values and a traceback, beside the one line that says what went wrong.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return mlflow
