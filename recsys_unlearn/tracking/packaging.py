"""A directory of model files made into an MLflow model: code, signature, requirements; no pickle.

``mlflow.pyfunc.log_model`` would do the same in 0.4 s more, most of it spent on listing every
installed package, and would write the absolute paths of this machine into the model.
"""

import shutil
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from recsys_unlearn.durable import sync_tree
from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking.library import load_mlflow
from recsys_unlearn.tracking.manifest import LATER_FILES, list_files, write_manifest

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

CODE_FILE = "served_model.py"
FILES_DIRECTORY = "files"
REQUIRED_PACKAGES = ("mlflow", "numpy", "pandas", "safetensors", "faiss-cpu")

PYTHON_ENVIRONMENT = """\
python: {python}
build_dependencies:
- pip
dependencies:
- -r requirements.txt
"""
CONDA_ENVIRONMENT = """\
name: recsys-unlearn
channels:
- conda-forge
dependencies:
- python={python}
- pip
- pip:
  - -r requirements.txt
"""


def package(directory: Path, target: Path, logged: "LoggedModel") -> str:
    """Write an MLflow model with the files of ``directory`` into ``target``, flushed to the disk.

    Returns
    -------
    str
        SHA-256 of its manifest.

    Raises
    ------
    VersionError
        If ``directory`` is empty, or holds a link or a file name that is kept for the package.
    """
    names = list_files(directory)
    if not names or LATER_FILES & set(names):
        raise VersionError(f"{directory} is empty or is itself a published version; give a model's files")
    for name in names:
        (target / FILES_DIRECTORY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / name, target / FILES_DIRECTORY / name)
    _write_environment(target)
    _write_description(target, logged)
    digest = write_manifest(target)
    sync_tree(target)
    return digest


def _write_environment(target: Path) -> None:
    shutil.copyfile(Path(__file__).with_name(CODE_FILE), target / CODE_FILE)
    # Where a file of this name lies, Python cannot keep compiled code, which would run in place of
    # the source that was hashed.
    (target / "__pycache__").touch()
    (target / "requirements.txt").write_text(_requirements())
    (target / "python_env.yaml").write_text(PYTHON_ENVIRONMENT.format(python=python_version()))
    (target / "conda.yaml").write_text(CONDA_ENVIRONMENT.format(python=python_version()))


@cache
def _requirements() -> str:
    return "".join(f"{name}=={version(name)}\n" for name in REQUIRED_PACKAGES)


def _write_description(target: Path, logged: "LoggedModel") -> None:
    from mlflow.models import Model
    from mlflow.pyfunc import add_to_model

    model = Model(
        artifact_path=logged.model_uri,
        run_id=logged.source_run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=signature(),
    )
    add_to_model(
        model,
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE_FILE,
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        artifacts={"files": {"path": FILES_DIRECTORY, "uri": FILES_DIRECTORY}},
        code=None,
        streamable=False,
    )
    model.save(str(target / "MLmodel"))


def signature() -> "ModelSignature":
    """Columns in, columns out, and the parameter k: see :mod:`.served_model`."""
    load_mlflow()
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    counts = [ColSpec("long", name) for name in ("user_row", "rank", "item_row")]
    return ModelSignature(
        Schema([ColSpec("long", "user_row")]),
        Schema([*counts, ColSpec("float", "score")]),
        ParamSchema([ParamSpec("k", "integer", 20)]),
    )
