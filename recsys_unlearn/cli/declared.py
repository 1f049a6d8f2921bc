"""What the library declares, read from its source.

``train --help`` lists every hyper-parameter and ``forget --help`` every method. To import the modules
that declare them would cost two seconds of torch, so their source is parsed instead, and not run. A
test holds what is read here equal to what is imported.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import recsys_unlearn

TYPES = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Field:
    """A field of a dataclass.

    Parameters
    ----------
    type
        The type of its values other than None.
    choices
        The values allowed, where the annotation is a Literal.
    """

    name: str
    type: type
    choices: tuple[str, ...]
    default: Any


def fields(module: str, class_name: str) -> list[Field]:
    """Fields of a dataclass in ``recsys_unlearn.MODULE``, in their order."""
    tree = _tree(_path(module))
    literals = dict(filter(None, map(_literal, tree.body)))
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name)
    return [_field(node, literals) for node in body if isinstance(node, ast.AnnAssign)]


def unlearner_names() -> list[str]:
    """Names of the unlearners, in the alphabet's order, without the controls that are wrong on purpose."""
    names = []
    for path in sorted(_path("unlearning").glob("*.py")):
        for node in _tree(path).body:
            constants = _constants(node) if isinstance(node, ast.ClassDef) else {}
            if "name" in constants and constants.get("guarantee") != "control":
                names.append(constants["name"])
    return sorted(names)


def _path(module: str) -> Path:
    path = Path(recsys_unlearn.__file__).parent.joinpath(*module.split("."))
    return path if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _constants(node: ast.ClassDef) -> dict[str, str]:
    return {
        each.targets[0].id: each.value.value
        for each in node.body
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
    }


def _literal(node: ast.stmt) -> tuple[str, tuple[str, ...]] | None:
    """``Loss = Literal["bpr", ...]`` as its name and values."""
    if not (isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal[")):
        return None
    values = ast.literal_eval(node.value.slice)
    return node.targets[0].id, values if isinstance(values, tuple) else (values,)


def _field(node: ast.AnnAssign, literals: dict[str, tuple[str, ...]]) -> Field:
    annotation = ast.unparse(node.annotation).removesuffix(" | None")
    choices = literals.get(annotation, ())
    return Field(node.target.id, str if choices else TYPES[annotation], choices, ast.literal_eval(node.value))
