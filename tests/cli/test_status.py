def test_json_has_the_store_the_versions_and_the_champion(run_json, pristine):
    found = run_json("status", "--workspace", pristine.root)
    keys = "champion deletions erased_again requests store to_erase_again versions"
    assert sorted(found) == keys.split()
    assert (found["champion"], found["store"]["users"], found["deletions"]) == (1, 150, [])


def test_people_read_all_of_it_in_a_screen(run, pristine):
    lines = run("status", "--workspace", pristine.root).stdout.splitlines()
    assert "Training store" in lines[0]
    assert "Champion: 1" in lines
    assert len(lines) <= 24


def test_an_empty_workspace_says_what_comes_next_and_stays_empty(run, tmp_path):
    result = run("status", "--workspace", tmp_path / "none")
    assert result.exit_code == 0
    assert "recsys-unlearn ingest SOURCE" in result.stdout
    assert "recsys-unlearn train" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_is_code_1(run, workspace):
    (workspace.store_dir / "store.json").write_text("{")
    result = run("status", "--workspace", workspace.root)
    assert result.exit_code == 1
    assert "damaged" in result.stderr
