"""Who may import whom, and what nobody may use: read from the source, nothing is imported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, PIPELINES = ROOT / "recsys_unlearn", ROOT / "pipelines"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(PIPELINES.rglob("*.py"))

# Each room may import from those before it, and from itself.
FOUNDATION = {"errors", "progress", "randomness", "durable", "lock", "losses", "config", "threads"}
ORDER = [
    FOUNDATION,
    {"interactions"},
    {"metrics"},
    {"recommenders"},
    {"readiness"},
    {"unlearning"},
    {"audit"},
]
ASIDE = {"tracking", "retrieval"}  # know the foundation and each other, and no room of mathematics
ERASURE = {"erasure"}  # knows the foundation and what an id is: a ledger outlives models and their libraries
OUTER = [{"workspace"}, {"workflows"}, {"experiments"}, {"cli"}]

ALLOWED = {}
seen: set[str] = set()
for level in ORDER:
    seen = seen | level
    ALLOWED |= dict.fromkeys(level, seen)
for room in ASIDE:
    ALLOWED[room] = FOUNDATION | ASIDE
ALLOWED["erasure"] = FOUNDATION | {"interactions"} | ERASURE
seen = seen | ASIDE | ERASURE
for level in OUTER:
    seen = seen | level
    ALLOWED |= dict.fromkeys(level, seen)


def imports_of(path):
    """Every absolute name that a file imports, at the top or inside a function, with its line."""
    package = (
        ["recsys_unlearn", *path.relative_to(PACKAGE).parts[:-1]] if path.is_relative_to(PACKAGE) else []
    )
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(name):
    """Room of ``recsys_unlearn.room.rest``; None for the package's own names and for other packages."""
    parts = name.split(".")
    return parts[1] if parts[0] == "recsys_unlearn" and len(parts) > 1 and parts[1] != "__version__" else None


def room_of_file(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def problems(paths, forbidden):
    """``file:line name`` of every import for which ``forbidden(room, name)`` is true."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for name, line in imports_of(path)
        if forbidden(path, name)
    ]


def short(path):
    return str(path.relative_to(ROOT))


def test_every_room_has_its_place():
    assert {room_of_file(path) for path in SOURCES} - {"__init__"} == set(ALLOWED)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_imports_point_one_way(room):
    files = [path for path in SOURCES if room_of_file(path) == room]
    assert not problems(files, lambda _, name: room_of(name) not in {None, *ALLOWED[room]})


def test_the_package_itself_imports_no_room():
    assert not problems([PACKAGE / "__init__.py"], lambda _, name: room_of(name) is not None)


def test_the_package_never_imports_a_pipeline_or_a_test():
    assert not problems(SOURCES, lambda _, name: name.split(".")[0] in ("pipelines", "tests", "conftest"))


def test_tracking_and_retrieval_are_for_the_outer_rooms():
    inner = [path for path in SOURCES if room_of_file(path) in set().union(*ORDER)]
    assert not problems(inner, lambda _, name: room_of(name) in ASIDE)


def test_erasure_knows_ids_and_nothing_else_of_the_interactions():
    ids = ("recsys_unlearn.interactions.contract", "recsys_unlearn.interactions.ids")
    files = [path for path in SOURCES if room_of_file(path) in ERASURE]
    assert not problems(
        files, lambda _, name: room_of(name) == "interactions" and name.rpartition(".")[0] not in ids
    )


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("torchrec", "recommenders/embedding_tables.py"),
        ("fbgemm_gpu", "recommenders/embedding_tables.py"),
        ("implicit", "recommenders/implicit_engines.py"),
        ("threadpoolctl", "recommenders/implicit_engines.py"),
        ("click", "cli"),
        ("rich", "cli"),
        ("faiss", ("retrieval.py", "tracking/served_model.py")),  # the latter is copied into a model
        ("mlflow", "tracking"),
        ("yaml", "config.py"),
        ("sqlite3", ("interactions", "tracking", "erasure/databases.py", "errors.py")),
    ],
)
def test_a_library_has_one_door(library, only):
    doors = tuple(PACKAGE / door for door in ([only] if isinstance(only, str) else only))
    outside = [path for path in SOURCES if not any(path == door or door in path.parents for door in doors)]
    assert not problems(outside, lambda _, name: name.split(".")[0] == library)


# --- what nobody may use -------------------------------------------------------------------------

MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "imp"),
    *("runpy", "code", "codeop", "pty", "importlib"),
}
HARMLESS = {"importlib.metadata", "importlib.resources"}
CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN = {
    *("torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader"),
    *("numpy.load", "numpy.loadtxt", "pandas.read_pickle", "mlflow.pyfunc.load_model"),
    *(
        "builtins.eval",
        "builtins.exec",
        "builtins.compile",
        "os.system",
        "os.popen",
        "importlib.import_module",
    ),
}
METHODS = {"to_pickle", "read_pickle", "load_model"}  # of whatever object


def aliases(tree):
    """What each name of a file stands for, as ``np`` for ``numpy``."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                alias.asname or alias.name.split(".")[0]: alias.asname and alias.name for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: meaning or name for name, meaning in known.items()}


def dotted(node, known):
    """Full name of an attribute of a module, such as ``torch.jit.load``; empty for anything else."""
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    inner = dotted(node.value, known) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner else ""


def is_dangerous_module(name):
    return name.split(".")[0] in MODULES and not any(name.startswith(harmless) for harmless in HARMLESS)


def dangers(tree):
    """Line and name of every use of what executes or unpickles data."""
    known = aliases(tree)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if is_dangerous_module(alias.name)]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name for name in full if is_dangerous_module(name) or name in FORBIDDEN]
        elif isinstance(node, ast.Name) and node.id in CALLS:
            names = [node.id]
        elif isinstance(node, ast.Attribute):
            name = dotted(node, known)
            names = [name or node.attr] if name in FORBIDDEN or node.attr in METHODS else []
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            names, node = [node.arg], node.value
        yield from ((node.lineno, name) for name in names)


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=short)
def test_nothing_executes_or_unpickles_data(path):
    assert not list(dangers(ast.parse(path.read_text())))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "from torch import load",
        "torch.load(path)",
        "x = eval(text)",
        "exec(text)",
        "from importlib import import_module",
        "importlib.import_module(name)",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "def f():\n    return __import__(name)",
        "import torch as t\nt.load(path)",
        "import torch.jit\ntorch.jit.load(path)",
        "import numpy as n\nn.load(path)",
        "from numpy import load as read",
        "from yaml import Loader",
        "import yaml as y\ny.unsafe_load(text)",
        "run = eval",
        "import builtins\nbuiltins.exec(text)",
        "import joblib",
        "import dill as d",
        "from cloudpickle import dumps",
        "frame.to_pickle(path)",
        "import pandas as pd\npd.read_pickle(path)",
        "import mlflow.pyfunc\nmlflow.pyfunc.load_model(address)",
        "from importlib.util import spec_from_file_location",
        "import runpy",
        "torch.load(path, weights_only=True)",
        "from os import system",
    ],
)
def test_the_search_finds_each_of_them(source):
    assert list(dangers(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        *("yaml.safe_load(text)", "model.eval()", "load_file(path)", "re.compile('x')"),
        *("import json\njson.load(file)", "from importlib.metadata import version", "recommender.load(path)"),
        *("from .pickle import jar", "np.loads"),
    ],
)
def test_the_search_lets_harmless_names_pass(source):
    assert not list(dangers(ast.parse(source)))


def test_there_is_no_input_check_by_assert_and_no_bare_except():
    found = [
        f"{short(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert) or (isinstance(node, ast.ExceptHandler) and node.type is None)
    ]
    assert not found


# --- what an import costs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (
            "recommenders.factorization, unlearning.registry, audit.report, readiness.natural",
            "torchrec fbgemm_gpu mlflow faiss click matplotlib",
        ),
        ("erasure.receipt, erasure.suppression", "torch mlflow faiss pandas click matplotlib"),
        ("cli", "torch mlflow faiss polars pandas matplotlib"),
    ],
    ids=["mathematics", "erasure", "cli"],
)
def test_importing_does_not_load_what_it_does_not_need(modules, absent):
    wanted = ", ".join(f"recsys_unlearn.{module.strip()}" for module in modules.split(","))
    script = f"import sys, {wanted}; print([name for name in {absent.split()!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
