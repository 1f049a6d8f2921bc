import json


def test_json_has_items_the_user_has_not_had(run_json, pristine, member):
    answer = run_json("recommend", "--user", member, "-k", 5, "--workspace", pristine.root)
    store = pristine.store()
    had = store.item_ids(store.history(store.user_row(member)).items.tolist())
    assert sorted(answer) == ["items", "scores", "source", "user", "version"]
    assert (answer["user"], answer["version"], answer["source"]) == (member, 1, "model")
    assert len(answer["items"]) == len(answer["scores"]) == 5
    assert not set(answer["items"]) & set(had)
    assert answer["scores"] == sorted(answer["scores"], reverse=True)


def test_people_read_a_ranking(run, pristine, member):
    result = run("recommend", "--user", member, "-k", 3, "--workspace", pristine.root)
    lines = result.stdout.splitlines()
    assert lines[0] == f"For {member}: from version 1"
    assert lines[1].split() == ["rank", "item", "score"]
    assert [line.split()[0] for line in lines[3:]] == ["1", "2", "3"]


def test_a_stranger_is_served_and_told_how(run, pristine, stranger):
    result = run("recommend", "--user", stranger, "--workspace", pristine.root)
    assert result.exit_code == 0
    assert "training did not see them" in result.stdout


def test_an_unknown_user_is_code_3_and_is_not_repeated(program, pristine):
    result = program("recommend", "--user", "canary-unknown", "--workspace", pristine.root, "--json")
    error = json.loads(result.stdout)["error"]
    assert result.returncode == error["exit_code"] == 3
    assert error["type"] == "UnknownUser"
    assert error["message"].startswith("no such user in this workspace")
    assert b"canary-unknown" not in result.stdout + result.stderr
    assert result.stderr.startswith(b"error: no such user")


def test_the_fallback_is_asked_for_and_says_so(run, run_json, pristine):
    arguments = ("recommend", "--user", "newcomer", "-k", 2, "--workspace", pristine.root)
    answer = run_json(*arguments, "--fallback", "popular")
    assert (answer["source"], answer["version"], len(answer["items"])) == ("popular", None, 2)
    assert "popular items" in run(*arguments, "--fallback", "popular").stdout


def test_k_below_one_is_code_2(run):
    assert run("recommend", "--user", "x", "-k", 0).exit_code == 2


def test_lists_of_everybody_go_to_a_file(run_json, run, pristine, tmp_path):
    out = tmp_path / "lists.parquet"
    written = run_json("recommend", "--all", "--out", out, "-k", 3, "--workspace", pristine.root)
    assert sorted(written) == ["left_out", "path", "rows", "seconds", "users", "version"]
    assert written["rows"] == 3 * written["users"]
    assert out.exists()
    people = run("recommend", "--all", "--out", out, "--workspace", pristine.root).stdout
    assert f"lines for {written['users']} users" in people


def test_for_whom_must_be_said_once(run, tmp_path):
    for arguments, message in (
        ((), "say for whom"),
        (("--all", "--user", "x"), "say for whom"),
        (("--all",), "--all and --out go together"),
        (("--user", "x", "--out", tmp_path / "f"), "--all and --out go together"),
        (("--all", "--out", tmp_path / "f", "--fallback", "popular"), "--fallback is for one --user"),
    ):
        result = run("recommend", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
