"""Options from a configuration file and from the command line, checked together.

Every problem is reported at once. What the command line gives wins over the file.
"""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from recsys_unlearn.errors import ConfigError

LONGEST = 1 << 16  # bytes of a file
MOST_PROBLEMS = 20  # that are listed at once
LONGEST_QUOTE = 60  # characters of a value that a message repeats


def read_config(path: Path) -> dict[str, Any]:
    """Read a YAML file of option names and values; an empty file has none.

    Raises
    ------
    ConfigError
        If the file cannot be read, is too long, is not YAML, or is not a mapping.
    """
    try:
        values = yaml.safe_load(_text(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a month 13; brackets a thousand deep
        raise ConfigError(f"{path} is not YAML{_place(error)}: write lines such as `dim: 64`") from None
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path} is not a list of names and values: write lines such as `dim: 64`")
    return values or {}


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ConfigError(f"{path} is longer than {LONGEST:,} bytes, which no configuration needs to be")
    return content.decode()


def make_options(
    options_type: type[Any], file: Path | None = None, aside: Sequence[str] = (), **given: Any
) -> Any:
    """Make options of the defaults, then the values in ``file``, then those ``given``.

    Parameters
    ----------
    options_type
        A dataclass that refuses bad values with a :class:`ConfigError`.
    aside
        Names in the file that are for somebody else.

    Raises
    ------
    ConfigError
        Lists every unknown name, with the nearest known one, and every value of a wrong type or out
        of range.
    """
    values = (read_config(file) if file else {}) | given
    values = {name: value for name, value in values.items() if name not in aside}
    hints = get_type_hints(options_type)
    hints = {field.name: hints[field.name] for field in fields(options_type)}
    problems = list(islice(_problems(values, hints), MOST_PROBLEMS))
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
            yield f"{name} must be {_described(hints[name])}, not {_quoted(value)}"


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


def _quoted(value: Any) -> str:
    """Repeat a single value; of a list or mapping only its kind, as anchors can make it endless."""
    if isinstance(value, list | dict | set | tuple):
        return f"a {type(value).__name__}"
    return shorten(repr(value), LONGEST_QUOTE)


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
