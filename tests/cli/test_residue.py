import json

from recsys_unlearn.workflows.residue import target_of


def test_a_user_who_is_still_there_is_code_5(run, pristine, member):
    result = run("residue", "--workspace", pristine.root, "--user", member)
    assert result.exit_code == 5
    assert "for their id, their row, the row's vectors, their items." in result.stdout
    assert "data/store/vault.db" in result.stdout
    assert member not in result.stdout + result.stderr


def test_json_has_hits_and_what_was_searched_for(run, pristine, member):
    result = run("residue", "--workspace", pristine.root, "--user", member, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 5
    assert sorted(found) == ["bytes", "files", "hits", "searched", "seconds", "unread"]
    assert sorted(found["hits"][0]) == ["kind", "path", "target", "where"]
    assert member not in result.stdout


def test_who_is_nowhere_is_code_0(run, pristine):
    result = run("residue", "--workspace", pristine.root, "--user", "nobody-17-ab")
    assert result.exit_code == 0
    assert "The user is not known here, so that nothing else could be looked for." in result.stdout
    assert result.stdout.splitlines()[-1] == "Nothing was found."


def test_a_saved_target_is_searched_for(run, run_json, pristine, member, tmp_path):
    target_of(pristine, member).save(tmp_path / "before.json")
    (tmp_path / "empty").mkdir()
    arguments = (
        "residue",
        "--workspace",
        tmp_path / "empty",
        "--user",
        member,
        "--target",
        tmp_path / "before.json",
    )
    assert run_json(*arguments)["searched"] == ["id", "row", "vector", "items"]
    (tmp_path / "empty" / "a.gz").write_bytes(b"\x1f\x8b" + member.encode())
    result = run(*arguments)
    assert result.exit_code == 5
    assert "a.gz: compressed" in result.stdout


def test_a_target_that_is_none_is_code_1(run, pristine, tmp_path):
    (tmp_path / "before.json").write_text("{}")
    result = run("residue", "--workspace", pristine.root, "--user", "7", "--target", tmp_path / "before.json")
    assert result.exit_code == 1
    assert "is not a saved target" in result.stderr
