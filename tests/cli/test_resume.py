import json

import pytest

from recsys_unlearn.workflows.deletion import receipts


@pytest.fixture
def queued(run_json, workspace, member):
    arguments = ("forget", "--queue", "--user", member, "--yes", "--no-audit", "--workspace", workspace.root)
    return run_json(*arguments)["request_id"]


def test_json_has_every_request_that_was_carried_on(run_json, workspace, queued, member):
    outcome = run_json("resume", "--workspace", workspace.root)
    assert sorted(outcome) == ["erased_again", "failed", "requests", "seconds"]
    (request,) = outcome["requests"]
    assert (request["request_id"], request["status"], request["version"]) == (queued, "completed", 2)
    assert member not in json.dumps(outcome)


def test_people_read_a_line_for_each(run, workspace, queued):
    text = run("resume", "--workspace", workspace.root).stdout
    assert "completed" in text and "natural_ascent" in text
    assert run("resume", "--workspace", workspace.root).stdout == "No request is open.\n"


def test_by_another_method(run_json, workspace, queued):
    (request,) = run_json("resume", "--method", "retrain", "--workspace", workspace.root)["requests"]
    assert request["method"] == "retrain"


def test_what_cannot_be_done_is_code_4_and_said_on_standard_error(run, workspace, queued, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(receipts, "write", full)
    result = run("resume", "--workspace", workspace.root)
    assert result.exit_code == 4
    assert result.stderr.startswith(f"error: {queued} is at purged, and not done: No space left on device")
    assert "unfinished" in result.stdout


def test_a_method_that_there_is_not_is_code_2(run, workspace):
    assert run("resume", "--method", "magic", "--workspace", workspace.root).exit_code == 2
