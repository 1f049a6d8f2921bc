"""Options from a configuration file and from the command line, checked together.

Every problem is reported at once. What the command line gives wins over the file.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from recsys_unlearn.errors import ConfigError


def read_config(path: Path) -> dict[str, Any]:
    """Read a YAML file of option names and values; an empty file has none.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML{_place(error)}: write lines such as `dim: 64`") from None
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path} is not a list of names and values: write lines such as `dim: 64`")
    return values or {}


def make_options(options_type: type[Any], file: Path | None = None, **given: Any) -> Any:
    """Make options of the defaults, then the values in ``file``, then those ``given``.

    Parameters
    ----------
    options_type
        A dataclass that refuses bad values with a :class:`ConfigError`.

    Raises
    ------
    ConfigError
        Lists every unknown name, with the nearest known one, and every value of a wrong type or out
        of range.
    """
    values = (read_config(file) if file else {}) | given
    hints = get_type_hints(options_type)
    hints = {field.name: hints[field.name] for field in fields(options_type)}
    problems = list(_problems(values, hints))
    sound = {name: _number(v, hints[name]) for name, v in values.items() if _fits(name, v, hints)}
    try:
        options = options_type(**sound)
    except ConfigError as error:
        problems.append(str(error))
    if problems:
        where = f" of {file}" if file else ""
        raise ConfigError(f"the options{where} cannot be used:\n" + "\n".join(f"  {p}" for p in problems))
    return options


def _problems(values: Mapping[Any, Any], hints: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if name not in hints:
            nearest = get_close_matches(str(name), hints, 1, cutoff=0)
            yield f"no option '{name}'; the nearest is '{nearest[0]}'"
        elif not _fits(name, value, hints):
            yield f"{name} must be {_described(hints[name])}, not {value!r}"


def _fits(name: Any, value: Any, hints: Mapping[str, Any]) -> bool:
    return name in hints and any(_is(_number(value, kind), kind) for kind in _alternatives(hints[name]))


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _number(value: Any, hint: Any) -> Any:
    """Whole numbers as decimals where those are meant, and ``1e-3``, which YAML 1.1 takes for text."""
    if float not in _alternatives(hint) or isinstance(value, bool) or not isinstance(value, str | int):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _described(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    return " or ".join(names.get(kind, "nothing") for kind in _alternatives(hint))


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
