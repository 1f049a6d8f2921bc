from dataclasses import dataclass
from typing import Literal

import pytest

from recsys_unlearn.config import make_options, read_config
from recsys_unlearn.errors import ConfigError


@dataclass(frozen=True)
class Options:
    dim: int = 64
    rate: float = 0.1
    loss: Literal["bpr", "softmax"] = "bpr"
    steps: int | None = None
    shuffle: bool = True

    def __post_init__(self):
        if self.dim <= 0:
            raise ConfigError("dim must be above 0")


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "options.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def _problems(*arguments, **given):
    with pytest.raises(ConfigError) as caught:
        make_options(Options, *arguments, **given)
    return str(caught.value).splitlines()


def test_defaults_then_the_file_then_what_is_given(file):
    assert make_options(Options, file("dim: 3\nrate: 0.5\n"), rate=0.7) == Options(dim=3, rate=0.7)


def test_without_a_file_there_are_the_defaults():
    assert make_options(Options) == Options()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_gives_nothing(file, text):
    assert read_config(file(text)) == {}


@pytest.mark.parametrize(("written", "rate"), [("1e-3", 0.001), ("1", 1.0), ("0.25", 0.25)])
def test_a_decimal_may_be_written_in_any_way(file, written, rate):
    options = make_options(Options, file(f"rate: {written}\n"))
    assert options.rate == rate
    assert isinstance(options.rate, float)


@pytest.mark.parametrize("written", ["5", "null"])
def test_what_may_be_absent_may_be_null(file, written):
    assert make_options(Options, file(f"steps: {written}\n")).steps in (5, None)


def test_an_unknown_name_comes_with_the_nearest_known_one(file):
    path = file("dimm: 3\n")
    assert _problems(path) == [
        f"the options of {path} cannot be used:",
        "  no option 'dimm'; the nearest is 'dim'",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dim: many", "dim must be a whole number, not 'many'"),
        ("dim: 1.5", "dim must be a whole number, not 1.5"),
        ("dim: true", "dim must be a whole number, not True"),
        ("dim: null", "dim must be a whole number, not None"),
        ("rate: fast", "rate must be a number, not 'fast'"),
        ("rate: true", "rate must be a number, not True"),
        ("loss: mse", "loss must be one of bpr, softmax, not 'mse'"),
        ("steps: few", "steps must be a whole number or nothing, not 'few'"),
        ("shuffle: 1", "shuffle must be true or false, not 1"),
        ("1: 2", "no option '1'; the nearest is "),
        ("dim: -1", "dim must be above 0"),
    ],
)
def test_each_wrong_value_is_named_with_what_it_must_be(file, text, problem):
    first, *problems = _problems(file(text))
    assert first.endswith("cannot be used:")
    assert len(problems) == 1
    assert problems[0].strip().startswith(problem)


def test_all_problems_are_reported_together(file):
    problems = _problems(file("dim: -1\nrate: fast\nlos: bpr\n"), steps="few")
    assert len(problems) == 5
    for part in (
        "'rate'",
        "rate must",
        "no option 'los'; the nearest is 'loss'",
        "steps must",
        "dim must be",
    ):
        assert part.strip("'") in "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dim: [1", "is not YAML (line 1)"),
        ("- dim\n", "is not a list of names and values"),
        ("dim", "is not a list of names and values"),
        ("x: !!python/object/apply:os.system [true]", "is not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(file, text, message):
    with pytest.raises(ConfigError, match=r"write lines such as `dim: 64`") as caught:
        read_config(file(text))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*absent.yaml: No such file"):
        read_config(tmp_path / "absent.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        read_config(tmp_path / "binary.yaml")
