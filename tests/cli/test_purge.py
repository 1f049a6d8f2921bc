import pytest


@pytest.fixture
def kept(run_json, workspace, member):
    """Version 1 holds somebody who was forgotten, and was kept."""
    arguments = ("--user", member, "--yes", "--no-audit", "--keep", 1, "--workspace", workspace.root)
    assert run_json("forget", *arguments)["older_versions"] == [1]
    return workspace


def test_json_has_what_went_and_what_stays(run_json, kept):
    planned = run_json("purge", "--dry-run", "--workspace", kept.root)
    assert (planned["dry_run"], planned["versions"], planned["kept"]) == (True, [1], [[2, "it serves"]])
    assert run_json("purge", "--workspace", kept.root)["versions"] == [1]
    assert [each.number for each in kept.registry().versions()] == [2]


def test_people_read_numbers_and_reasons(run, kept):
    assert run("purge", "--dry-run", "--workspace", kept.root).stdout.startswith("Would remove 1 version, ")
    text = run("purge", "--keep", "30d", "--workspace", kept.root).stdout
    assert text.startswith("Removed 0 versions, ")
    assert "kept for 30 days, until " in text
    assert "it serves" in text


def test_a_policy_that_there_is_not_is_code_2(run, kept):
    assert run("purge", "--keep", "for ever", "--workspace", kept.root).exit_code == 2


def test_a_locked_workspace_is_code_6(run, kept):
    with kept.locked("train"):
        result = run("purge", "--workspace", kept.root)
    assert result.exit_code == 6
    assert "`train`" in result.stderr
