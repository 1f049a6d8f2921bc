import io
import json
import re
import sys

import pytest

from recsys_unlearn.cli import output


def test_json_has_null_where_python_has_nan_at_any_depth(capsys):
    output.write_json({"a": float("nan"), "b": [1.5, (float("inf"),)], "c": {"d": -float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, [None]], "c": {"d": None}}


def test_json_takes_the_place_of_what_people_read(capsys):
    output.show({"n": 1}, True, lambda: pytest.fail("not for people"))
    assert json.loads(capsys.readouterr().out) == {"n": 1}


def test_people_read_lines_and_tables(capsys):
    output.show({}, False, lambda: ["a line", output.table(("name", "n"), [("x", 1234), ("y", None)])])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["a line", " name       n", "──────────────", " x      1,234", " y          –"]


def test_an_id_is_never_taken_for_markup(capsys):
    output.print_parts(["[bold]:smile:[/bold]", output.table(("item",), [("[red]x",)])])
    printed = capsys.readouterr().out
    assert "[bold]:smile:[/bold]" in printed
    assert "[red]x" in printed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.12345, "0.1235"),
        ("s", "s"),
    ],
)
def test_values_for_people(value, text):
    assert output.text(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0123, "12.3 ms"), (1.26, "1.3 s"), (None, "–")])
def test_durations_have_a_unit_that_fits(value, text):
    assert output.seconds(value) == text


def test_seconds_of_parts_are_on_one_line():
    assert output.durations({"data": 0.001, "total": 2.0}) == "data 1.0 ms, total 2.0 s"


def test_facts_line_up_and_long_values_fold_within_the_width():
    lines = output.facts({"a": 1, "long name": "word " * 40}).splitlines()
    assert lines[0] == "  a          1"
    assert lines[1].startswith("  long name  word")
    assert all(len(line) <= output.WIDTH for line in lines)
    assert all(line.startswith(" " * 13 + "word") for line in lines[2:])


def test_no_facts_are_no_lines():
    assert output.facts({}) == ""


def test_notes_are_not_on_standard_output(capsys):
    output.note("working")
    assert capsys.readouterr() == ("", "working\n")


def test_a_terminal_s_own_width_is_used(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    output.print_parts([output.table(("name",), [("x" * 60,)])])
    lines = re.sub(r"\x1b\[\d+m", "", terminal.getvalue()).splitlines()
    assert max(map(len, lines)) == 40
