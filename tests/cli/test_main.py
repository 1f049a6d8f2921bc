import json
import subprocess
import sys

import click
import pytest

from recsys_unlearn import errors
from recsys_unlearn.cli.main import DEBUG, report

CODES = [
    (errors.RecsysUnlearnError, 1),
    (errors.InputError, 1),
    (errors.StoreError, 1),
    (errors.VersionError, 1),
    (errors.UsageError, 2),
    (errors.ConfigError, 2),
    (errors.UnknownItem, 2),
    (errors.UnknownUser, 3),
    (errors.PartiallyDone, 4),
    (errors.VerificationFailed, 5),
    (errors.Locked, 6),
]


def _raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_each_error_ends_in_its_code_with_one_line_on_standard_error(capsys, kind, code):
    assert report(_raising(kind("what happened; what to do")), as_json=False) == code
    assert capsys.readouterr() == ("", "error: what happened; what to do\n")


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_with_json_an_error_is_an_object_on_standard_output_too(capsys, kind, code):
    assert report(_raising(kind("why")), as_json=True) == code
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"error": {"type": kind.__name__, "message": "why", "exit_code": code}}


def test_success_is_zero_and_click_s_own_codes_pass():
    assert report(lambda: None, as_json=False) == 0
    assert report(lambda: 7, as_json=False) == 7


def test_an_unexpected_error_says_where_and_how_to_see_more_and_does_not_quote_itself(capsys, monkeypatch):
    monkeypatch.delenv(DEBUG, raising=False)
    assert report(_raising(ValueError("user canary is odd")), as_json=False) == 1
    line = capsys.readouterr().err
    assert line.startswith("error: unexpected ValueError in test_main.py, line ")
    assert line.endswith("; set RECSYS_UNLEARN_DEBUG=1 to see the traceback\n")
    assert line.count("\n") == 1
    assert "canary" not in line


def test_debug_shows_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv(DEBUG, "1")
    assert report(_raising(ValueError("odd")), as_json=False) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_is_one_line_and_130(run, monkeypatch, tmp_path):
    import recsys_unlearn.workflows.status as workflow

    def interrupted(workspace):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "status", interrupted)
    result = run("status", "--workspace", tmp_path)
    assert result.exit_code == 130
    assert result.stderr.strip() == "error: interrupted"


def test_an_aborted_prompt_is_130(capsys):
    assert report(_raising(click.Abort()), as_json=True) == 130
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["train", "--dims", "3"], "No such option '--dims'"),
        (["train", "--dim", "many"], "'many' is not a valid integer"),
        (["recommend"], "say for whom: --user ID, or --all with --out FILE.parquet"),
        (["residue"], "Missing option '--user'"),
        (["train", "--workspace", __file__], "is a file"),
    ],
)
def test_usage_errors_are_one_line_with_the_way_to_help(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "--help'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_usage_errors_are_json_too(run):
    result = run("train", "--dims", "3", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["type"] == "UsageError"


@pytest.mark.parametrize("command", ["recommend", "forget"])
def test_what_is_left_over_may_be_a_user_s_id_and_is_not_repeated(run, command):
    result = run(command, "--user", "canary-a", "canary-b")
    assert result.exit_code == 2
    assert "an argument too many" in result.stderr
    assert "canary" not in result.output


def test_several_left_over_arguments_are_counted(run):
    assert "2 arguments too many" in run("status", "a", "b").stderr


def test_a_reader_who_leaves_ends_the_program_quietly(tmp_path):
    program = [sys.executable, "-c", "from recsys_unlearn.cli import main; main()"]
    process = subprocess.Popen(
        [*program, "status", "--workspace", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_the_installed_program_ends_with_these_codes(program, tmp_path):
    assert program("status", "--workspace", tmp_path).returncode == 0
    assert program("ingest", tmp_path / "absent.csv", "--workspace", tmp_path).returncode == 1
    assert program("nonsense").returncode == 2


def test_no_command_at_all_prints_the_help(run):
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.output
