import re
from pathlib import Path

import pytest

from recsys_unlearn.cli import main
from recsys_unlearn.cli.main import BROKEN_PIPE, INTERRUPTED
from recsys_unlearn.errors import RecsysUnlearnError

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
SECTIONS = dict(zip(*[iter(re.split(r"^## ([\w-]+)$", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))
HEAD = TEXT.split("\n## ")[0]


def test_there_is_one_section_for_each_command_in_the_same_order():
    assert list(SECTIONS) == list(main.commands)


@pytest.mark.parametrize("name", main.commands)
def test_every_option_is_in_its_command_s_section(name):
    flags = [flag for each in main.commands[name].params for flag in each.opts if flag.startswith("-")]
    text = HEAD + SECTIONS[name]
    assert [flag for flag in flags if not re.search(rf"`{flag}[ `]", text)] == []


@pytest.mark.parametrize("name", main.commands)
def test_no_option_is_documented_that_there_is_not(name):
    known = {flag for each in main.commands[name].params for flag in each.opts}
    mentioned = set(re.findall(r"`(--[a-z-]+)", SECTIONS[name]))
    assert mentioned - known == set()


@pytest.mark.parametrize("name", main.commands)
def test_the_examples_are_those_of_the_help(name):
    assert main.commands[name].epilog.strip() in SECTIONS[name]


def test_every_exit_code_is_in_the_table():
    codes = {code for row in re.findall(r"^\| ([\d, ]+) \|", HEAD, re.MULTILINE) for code in row.split(", ")}
    used = {0, INTERRUPTED, BROKEN_PIPE, *_exit_codes(RecsysUnlearnError)}
    assert codes == set(map(str, used))


def _exit_codes(kind):
    yield kind.exit_code
    for child in kind.__subclasses__():
        yield from _exit_codes(child)
