import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from recsys_unlearn.cli import main
from recsys_unlearn.unlearning.registry import METHODS

HEAVY = ("torch", "polars", "pandas", "mlflow", "faiss", "pydantic", "rich", "numpy", "scipy", "yaml")
ALL_HELP = f"""
import json, sys
from click.testing import CliRunner
from recsys_unlearn.cli import main
for arguments in [["--help"], *([name, "--help"] for name in main.commands)]:
    assert CliRunner().invoke(main, arguments).exit_code == 0
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def test_no_help_imports_anything_heavy():
    result = subprocess.run([sys.executable, "-c", ALL_HELP], capture_output=True, check=True)
    assert json.loads(result.stdout) == []


def test_commands_come_in_the_order_of_a_first_session(run):
    names = ["demo", "ingest", "train", "recommend", "forget", "resume", "audit", "compare", "status"]
    names += ["purge", "residue", "verify-receipt", "ui"]
    lines = [line.split() for line in run("--help").stdout.splitlines() if line.startswith("  ")]
    assert [words[0] for words in lines if words and words[0] in names] == names


def test_the_program_itself_documents_its_exit_codes(run):
    text = run("--help").stdout
    assert all(f"{code} " in text for code in range(7))
    assert text.rstrip().endswith("recsys-unlearn demo")


def test_the_program_tells_its_version(run):
    assert run("--version").stdout == "recsys-unlearn 0.1.0\n"


@pytest.mark.parametrize("name", main.commands)
def test_help_ends_with_examples_of_that_command(run, name):
    result = run(name, "--help")
    examples = result.stdout.split("Examples:\n")[1].strip().splitlines()
    assert result.exit_code == 0
    assert len(examples) >= 2
    assert all(line.strip().startswith(f"recsys-unlearn {name}") for line in examples)


@pytest.mark.parametrize("name", main.commands)
def test_every_command_has_the_shared_options_and_explains_all_of_its_own(name):
    options = {flag: parameter for parameter in main.commands[name].params for flag in parameter.opts}
    assert {"--workspace", "--json"} <= set(options)
    described = [flag for flag, each in options.items() if flag.startswith("-") and each.help]
    assert [flag for flag in options if flag.startswith("-") and flag not in (*described, "--method")] == []


@pytest.mark.parametrize("name", main.commands)
def test_every_example_parses(name):
    for line in main.commands[name].epilog.strip().splitlines():
        arguments = line.split(" < ")[0].split()[2:]
        main.commands[name].make_context(name, arguments)


def test_every_method_that_may_serve_is_named_in_the_help():
    """The names are written by hand there, since importing the methods would cost torch."""
    shown = CliRunner().invoke(main, ["forget", "--help"]).output
    assert [method for method in METHODS if method not in shown] == []
