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
FOUNDATION = {"errors", "progress", "randomness", "durable", "losses", "config"}
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
OUTER = [{"workspace"}, {"workflows"}, {"cli"}]

ALLOWED = {}
seen: set[str] = set()
for level in ORDER:
    seen = seen | level
    ALLOWED |= dict.fromkeys(level, seen)
for room in ASIDE:
    ALLOWED[room] = FOUNDATION | ASIDE
seen = seen | ASIDE
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


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("torchrec", "recommenders/embedding_tables.py"),
        ("fbgemm_gpu", "recommenders/embedding_tables.py"),
        ("click", "cli"),
        ("rich", "cli"),
        ("faiss", ("retrieval.py", "tracking/served_model.py")),  # the latter is copied into a model
        ("mlflow", "tracking"),
        ("yaml", "config.py"),
        ("sqlite3", ("interactions", "tracking")),
    ],
)
def test_a_library_has_one_door(library, only):
    doors = tuple(PACKAGE / door for door in ([only] if isinstance(only, str) else only))
    outside = [path for path in SOURCES if not any(path == door or door in path.parents for door in doors)]
    assert not problems(outside, lambda _, name: name.split(".")[0] == library)


# --- what nobody may use -------------------------------------------------------------------------

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "imp"}
CALLS = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("importlib", "import_module"),
    ("np", "load"),
    ("numpy", "load"),
    ("os", "system"),
}


def dangers(tree):
    """Line and name of every use of what executes or unpickles data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            names = [alias.name for alias in node.names]
            yield from (
                (node.lineno, f"{module}.{n}")
                for n in names
                if module in MODULES or (module, n) in ATTRIBUTES
            )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node.lineno, node.func.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in ATTRIBUTES:
                yield node.lineno, f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield node.value.lineno, "allow_pickle"


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
    ],
)
def test_the_search_finds_each_of_them(source):
    assert list(dangers(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["yaml.safe_load(text)", "model.eval()", "load_file(path)", "re.compile('x')"]
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
        ("cli", "torch mlflow faiss polars pandas matplotlib"),
    ],
    ids=["mathematics", "cli"],
)
def test_importing_does_not_load_what_it_does_not_need(modules, absent):
    wanted = ", ".join(f"recsys_unlearn.{module.strip()}" for module in modules.split(","))
    script = f"import sys, {wanted}; print([name for name in {absent.split()!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
