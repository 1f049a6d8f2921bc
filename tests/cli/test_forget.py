import hashlib
import json
import subprocess
import sys

import pytest

from recsys_unlearn.cli import forget as command

KEYS = (
    "request_id status version parent_version users interactions method guarantee leaves_behind seconds"
    " utility audit older_versions state due_at already_erased purged_versions residue receipt"
)


def _tree(root):
    """Path, bytes and time of change of every file."""
    return {
        path.relative_to(root): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def _holding(root, text):
    return [path for path in root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_forgotten_user_s_id_is_nowhere(program, workspace, member):
    assert [path.name for path in _holding(workspace.root, member)] == ["vault.db"]  # and is findable before
    arguments = ("forget", "--users-file", "-", "--yes", "--workspace", workspace.root)
    result = program(*arguments, input=member.encode())
    assert result.returncode == 0, result.stderr
    assert member.encode() not in result.stdout + result.stderr
    assert _holding(workspace.root, member) == []
    assert result.stderr == b""
    assert len(result.stdout.splitlines()) <= 30
    assert program("recommend", "--user", member, "--workspace", workspace.root).returncode == 3


def test_json_names_numbers_and_not_users(run_json, workspace, member):
    before = workspace.store()
    history = len(before.history(before.user_row(member)))
    outcome = run_json("forget", "--user", member, "--yes", "--workspace", workspace.root)
    assert sorted(outcome) == sorted(KEYS.split())
    assert (outcome["status"], outcome["version"], outcome["parent_version"]) == ("completed", 2, 1)
    assert (outcome["users"], outcome["interactions"]) == (1, history)
    assert set(outcome["seconds"]) >= {"data", "model", "index", "audit", "publish", "total"}
    assert set(outcome["utility"]) == {"before", "after"}
    assert set(outcome["utility"]["after"]) == {"recall@20", "ndcg@20"}
    assert {"auc", "recall_gap", "verdict"} <= set(outcome["audit"])
    assert (outcome["older_versions"], outcome["purged_versions"]) == ([], [1])
    assert member not in json.dumps(outcome)


def test_people_read_what_was_done_and_what_is_left(run, workspace, member):
    text = run("forget", "--user", member, "--yes", "--keep", "1", "--workspace", workspace.root).stdout
    for part in (
        "interactions of 1 user by natural_ascent: version 2",
        "recall@20 of who stays",
        "membership AUC",
        "erasure/receipts/request-",
    ):
        assert part in text
    assert "still in older files: version 1 is on disk, and not served" in text


def test_people_read_what_was_purged(run, workspace, member):
    text = run("forget", "--user", member, "--yes", "--no-audit", "--workspace", workspace.root).stdout
    assert ["purged", "version", "1"] in [line.split() for line in text.splitlines()]
    assert "still" not in text


def test_who_was_forgotten_before_is_told_so_with_code_0(run, run_json, workspace, member, stranger):
    arguments = ("forget", "--user", member, "--yes", "--no-audit", "--workspace", workspace.root)
    first = run_json(*arguments)
    again = run_json(*arguments)
    assert (again["status"], again["request_id"]) == ("already erased", first["request_id"])
    assert run(*arguments).stdout == "Already erased: 1 user. Nothing was changed.\n"
    mixed = run("forget", "--user", stranger, *arguments[1:])
    assert mixed.exit_code == 0
    assert "1 user of those named had been erased before." in mixed.stdout


def test_the_second_answer_needs_no_model(program, workspace, member):
    arguments = ("forget", "--users-file", "-", "--yes", "--no-audit", "--workspace", workspace.root)
    assert program(*arguments, input=member.encode()).returncode == 0
    script = (
        "import sys; from click.testing import CliRunner; from recsys_unlearn.cli import main;"
        f"r = CliRunner().invoke(main, {[str(each) for each in arguments]!r}, input={member!r});"
        "print(r.exit_code, [name for name in ('torch', 'mlflow', 'faiss') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "0 []\n"


def test_a_queued_request_is_only_received(run, run_json, workspace, member):
    arguments = ("--user", member, "--yes", "--reason", "left the shop", "--workspace", workspace.root)
    queued = run_json("forget", "--queue", *arguments)
    assert (queued["status"], queued["state"], queued["version"]) == ("queued", "received", None)
    assert workspace.store().user_row(member) >= 0
    text = run("forget", "--queue", *arguments).stdout
    assert text.startswith(f"Received {queued['request_id']}: 1 user, due 20")
    (request,) = workspace.requests().open()
    assert request.reason == "left the shop"


def test_a_request_is_given_more_time_or_denied(run, run_json, workspace, member):
    where = ("--workspace", workspace.root)
    request = run_json("forget", "--queue", "--user", member, "--yes", *where)["request_id"]
    extended = run_json("forget", "--extend", request, "--reason", "many accounts", *where)
    assert extended["days_left"] > 85
    denied = run("forget", "--deny", request, "--reason", "not the owner of the account", *where)
    assert denied.stdout == f"Denied {request}. Nothing was erased.\n"
    assert workspace.store().user_row(member) >= 0


def test_a_dry_run_changes_no_byte_and_no_time(run, workspace, member):
    tree = _tree(workspace.root)
    result = run("forget", "--user", member, "--dry-run", "--workspace", workspace.root)
    assert result.exit_code == 0
    assert result.stdout.startswith("Would forget ")
    assert _tree(workspace.root) == tree


def test_a_dry_run_in_json_is_planned(run_json, workspace, member):
    outcome = run_json("forget", "--user", member, "--dry-run", "--workspace", workspace.root)
    assert (outcome["status"], outcome["version"]) == ("planned", 1)


def test_without_an_audit_none_is_reported(run_json, workspace, member):
    outcome = run_json("forget", "--user", member, "--yes", "--no-audit", "--workspace", workspace.root)
    assert (outcome["status"], outcome["audit"], outcome["utility"]) == ("completed", {}, {})


def test_some_items_go_and_the_user_stays(run_json, workspace, member):
    store = workspace.store()
    had = store.item_ids(store.history(store.user_row(member)).items.tolist())
    arguments = ("--items", ",".join(had[:2]), "--yes", "--workspace", workspace.root)
    assert run_json("forget", "--user", member, *arguments)["interactions"] == 2
    store = workspace.store()
    assert store.item_ids(store.history(store.user_row(member)).items.tolist()) == had[2:]


def test_users_come_from_both_options_each_once(tmp_path):
    file = tmp_path / "users.txt"
    file.write_bytes("a\r\n\r\nb c\nZoë\u2028x\n".encode())
    assert command._user_ids(("z", "a"), str(file)) == ["z", "a", "b c", "Zoë\u2028x"]


def test_items_are_read_as_csv():
    assert command._item_ids('1193,"a,b",x y', ["one"]) == ["1193", "a,b", "x y"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nobody to forget"),
        (["--users-file", "-"], "nobody to forget"),
        (["--user", "canary-a", "--user", "canary-b", "--items", "1"], "--items goes with one user, and 2"),
        (["--user", "canary-a", "--items", ""], "--items is empty"),
        (["--user", "canary-a"], "nobody to ask: pass --yes, or --dry-run"),
        (["--user", "canary-a", "--yes", "--method", "magic"], "there are natural_ascent"),
        (["--user", "canary-a", "--yes", "--method", "no_op"], "there are natural_ascent"),
        (
            ["--user", "canary-a", "--yes", "--keep", "forever"],
            "--keep takes a number of versions, or of days",
        ),
        (["--user", "canary-a", "--yes", "--reason", "by canary-a"], "the reason names a user"),
        (["--user", "canary-a", "--yes", "--reason", "x" * 201], "one line of at most 200 characters"),
        (["--deny", "request-1"], "a reason is needed"),
        (["--extend", "request-1", "--reason", " "], "a reason is needed"),
        (["--deny", "r", "--extend", "r"], "--deny and --extend go with one request each"),
        (["--deny", "r", "--user", "canary-a"], "and with no user"),
        (["--user", "canary-a", "--yes", "--wait", "soon"], "'soon' is not a valid float"),
    ],
)
def test_requests_that_make_no_sense_are_code_2(run, arguments, message):
    result = run("forget", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "canary" not in result.output


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"\xff\xfe", "--users-file is not UTF-8 text")]
)
def test_a_users_file_that_cannot_be_read_is_code_1(run, tmp_path, content, message):
    if content is not None:
        (tmp_path / "users.txt").write_bytes(content)
    result = run("forget", "--users-file", tmp_path / "users.txt", "--yes")
    assert result.exit_code == 1
    assert message in result.stderr


def test_an_unknown_user_among_others_is_code_3_and_nothing_changes(run, workspace, member):
    tree = _tree(workspace.root / "data" / "store")
    arguments = ("--user", member, "--user", "canary-unknown", "--yes", "--workspace", workspace.root)
    result = run("forget", *arguments)
    assert result.exit_code == 3
    assert "canary" not in result.output
    assert _tree(workspace.root / "data" / "store") == tree


@pytest.mark.parametrize(("answer", "code", "versions"), [("n", 1, 1), ("y", 0, 2)])
def test_it_asks_with_numbers_and_takes_no_for_an_answer(
    monkeypatch, run, workspace, member, answer, code, versions
):
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    result = run("forget", "--user", member, "--no-audit", "--workspace", workspace.root, input=f"{answer}\n")
    assert result.exit_code == code
    assert "interactions of 1 user for good? [y/N]" in result.stderr
    assert "for good?" not in result.stdout
    assert workspace.registry().champion().number == versions


def test_ids_from_standard_input_leave_nobody_to_ask(monkeypatch, run):
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    result = run("forget", "--users-file", "-", input="canary-a\n")
    assert result.exit_code == 2
    assert "pass --yes" in result.stderr


def test_a_locked_workspace_is_code_6(run, workspace, member):
    with workspace.locked():
        result = run("forget", "--user", member, "--yes", "--workspace", workspace.root)
    assert result.exit_code == 6


def test_a_failed_audit_is_code_5(monkeypatch, run, workspace, member):
    import recsys_unlearn.workflows.forget as workflow
    from recsys_unlearn.errors import VerificationFailed

    def failing(*_, **__):
        raise VerificationFailed("remembered; the champion is as it was")

    monkeypatch.setattr(workflow, "forget", failing)
    assert run("forget", "--user", member, "--yes", "--workspace", workspace.root).exit_code == 5
