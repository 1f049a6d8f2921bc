import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from trained_workspace import member, pristine, stranger, workspace  # noqa: F401  fixtures

from recsys_unlearn.cli import main


@pytest.fixture
def run():
    """Call the command line in this process."""

    def run(*arguments, **extra):
        return CliRunner().invoke(main, [str(each) for each in arguments], **extra)

    return run


@pytest.fixture
def run_json(run):
    """Call a command that must succeed, and parse all of its standard output."""

    def run_json(*arguments, **extra):
        result = run(*arguments, "--json", **extra)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run_json


@pytest.fixture
def program():
    """Call the installed program in a process of its own."""

    def program(*arguments, **extra):
        command = [str(Path(sys.executable).with_name("recsys-unlearn")), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, env=os.environ | {"COLUMNS": "100"}, **extra)

    return program
