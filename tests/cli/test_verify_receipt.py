import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def receipt(run_json, workspace, member):
    arguments = ("--user", member, "--yes", "--no-audit", "--workspace", workspace.root)
    return Path(run_json("forget", *arguments)["receipt"])


def test_a_receipt_passes_all_that_it_can_be_checked_with(run, run_json, workspace, receipt):
    found = run_json("verify-receipt", receipt, "--workspace", workspace.root)
    assert (found["passed"], found["level"], found["problems"]) == (True, 3, [])
    assert run("verify-receipt", receipt, "--workspace", workspace.root).stdout.startswith(
        "The receipt is in"
    )


def test_far_from_its_workspace_it_is_checked_by_itself(run, run_json, receipt, tmp_path):
    copied = shutil.copy(receipt, tmp_path / "receipt.json")
    found = run_json("verify-receipt", copied, "--workspace", tmp_path / "elsewhere")
    assert (found["passed"], found["level"], found["mac"], found["ledger"]) == (True, 1, None, None)
    assert "not checked" in run("verify-receipt", copied, "--workspace", tmp_path / "elsewhere").stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["receipt.json", "workspace"]


def test_what_was_changed_in_it_is_code_5(run, workspace, receipt):
    values = json.loads(receipt.read_text())
    values["clock"]["completed_at"] = "2001-01-01T00:00:00Z"
    receipt.write_text(json.dumps(values))
    result = run("verify-receipt", receipt, "--workspace", workspace.root)
    assert result.exit_code == 5
    assert "The receipt is WRONG." in result.stdout


def test_the_receipt_says_what_happened_and_names_nobody(receipt, member):
    text = receipt.read_text()
    values = json.loads(text)
    assert member not in text
    assert (values["before"]["version"], values["after"]["version"]) == (1, 2)
    assert values["after"]["made_by"]["method"] == "natural_ascent"
    assert values["after"]["erased"]["interactions"] > 0
    assert values["purge"]["versions"] == [1]
    assert values["purge"]["residue"]["hits"] == 0
    assert "not proof of absence" in values["statement"]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [(b"{}", 5, "is not a receipt"), (b"\xff", 5, "is not a receipt"), (None, 1, "cannot read the receipt")],
)
def test_what_is_no_receipt(run, tmp_path, content, code, message):
    path = tmp_path / "receipt.json"
    if content is not None:
        path.write_bytes(content)
    result = run("verify-receipt", path, "--workspace", tmp_path)
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_file_that_is_far_too_large_is_not_read(run, tmp_path, monkeypatch):
    monkeypatch.setattr("recsys_unlearn.workflows.verify_receipt.LARGEST", 10)
    (tmp_path / "large.json").write_bytes(b" " * 11)
    result = run("verify-receipt", tmp_path / "large.json", "--workspace", tmp_path)
    assert result.exit_code == 1
    assert "has more than 10 bytes, and is no receipt" in result.stderr
