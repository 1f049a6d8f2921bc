import pytest
from trained_workspace import interactions

from recsys_unlearn.cli.ingest import FORMATS, ingest_command
from recsys_unlearn.interactions import IngestOptions
from recsys_unlearn.interactions.formats import FORMATS as ALL_FORMATS
from recsys_unlearn.workspace import Workspace

KEYS = (
    "source rows_read below_threshold suppressed suppressed_pairs suppressed_rows duplicates"
    " removed_by_k_core users items interactions train validation test strangers strangers_held_out"
    " stranger_users density seconds"
    " store_id digest"
)


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "interactions.csv"
    interactions().write_csv(path)
    return path


def test_every_ingest_option_is_an_option_of_the_command_and_none_is_invented():
    own = {each.name for each in ingest_command.params} - {"source", "workspace", "as_json", "wait"}
    assert own == set(IngestOptions.model_fields)


def test_the_formats_are_the_library_s():
    assert FORMATS == ALL_FORMATS


def test_defaults_in_the_help_are_the_library_s():
    helps = {each.name: getattr(each, "help", None) or "" for each in ingest_command.params}
    shown = {name: float(text.rsplit("[", 1)[1][:-1]) for name, text in helps.items() if text.endswith("]")}
    assert {"seed", "strangers", "test_fraction"} <= set(shown)
    assert shown == {name: IngestOptions.model_fields[name].default for name in shown}


def test_json_has_the_counts_of_every_stage_and_the_store_is_there(run_json, csv, tmp_path):
    report = run_json("ingest", csv, "--min-rating", 3, "--k-core", 2, "--workspace", tmp_path / "w")
    assert sorted(report) == sorted(KEYS.split())
    assert report["rows_read"] == len(interactions())
    assert report["below_threshold"] == (interactions()["rating"] < 3).sum()
    assert Workspace(tmp_path / "w").store().digest == report["digest"]


def test_several_files_are_one_source(run_json, tmp_path):
    frame, paths = interactions(), [tmp_path / "1.csv", tmp_path / "2.csv"]
    frame.head(500).write_csv(paths[0])
    frame.tail(-500).write_csv(paths[1])
    assert run_json("ingest", *paths, "--workspace", tmp_path / "w")["rows_read"] == len(frame)


def test_people_read_a_table_and_what_comes_next(run, csv, tmp_path):
    result = run("ingest", csv, "--workspace", tmp_path / "w")
    assert result.exit_code == 0
    assert "rows read" in result.stdout
    assert f"{len(interactions()):,}" in result.stdout
    assert "recsys-unlearn train" in result.stdout
    assert result.stderr == ""


def test_a_provided_test_set_is_used(run_json, tmp_path):
    frame = interactions()
    frame.head(1000).write_csv(tmp_path / "train.csv")
    frame.tail(100).write_csv(tmp_path / "test.csv")
    report = run_json(
        "ingest",
        tmp_path / "train.csv",
        "--test",
        tmp_path / "test.csv",
        "--strangers",
        0,
        "--workspace",
        tmp_path,
    )
    assert report["test"] == 100


def test_a_second_ingest_needs_replace(run, run_json, csv, tmp_path):
    first = run_json("ingest", csv, "--workspace", tmp_path)
    assert run("ingest", csv, "--workspace", tmp_path).exit_code == 1
    assert Workspace(tmp_path).store().store_id == first["store_id"]
    assert run_json("ingest", csv, "--workspace", tmp_path, "--replace")["store_id"] != first["store_id"]


def test_a_missing_file_is_code_1_and_leaves_no_store(run, tmp_path):
    result = run("ingest", tmp_path / "absent.csv", "--workspace", tmp_path)
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert not (tmp_path / "data" / "store").exists()


def test_options_that_contradict_each_other_are_code_2(run, csv, tmp_path):
    result = run("ingest", csv, "--split", "provided", "--workspace", tmp_path)
    assert result.exit_code == 2
    assert "needs test or validation" in result.stderr


def test_a_locked_workspace_is_code_6(program, csv, tmp_path):
    with Workspace(tmp_path).locked("train"):
        result = program("ingest", csv, "--workspace", tmp_path)
    assert result.returncode == 6
    assert result.stderr.startswith(b"error: another process is changing the workspace")
    assert b"`train` (process " in result.stderr


def test_who_was_erased_stays_out_and_is_counted(run, run_json, workspace, member, tmp_path):
    run_json("forget", "--user", member, "--yes", "--no-audit", "--workspace", workspace.root)
    frame = interactions()
    frame.write_csv(tmp_path / "again.csv")
    arguments = ("ingest", tmp_path / "again.csv", "--replace", "--workspace", workspace.root)
    report = run_json(*arguments)
    theirs = (frame["user"] == member).sum()
    assert (report["suppressed"], report["suppressed_rows"], report["users"]) == (1, theirs, 149)
    assert report["rows_read"] == len(frame)
    assert member.encode() not in (workspace.store_dir / "vault.db").read_bytes()
    assert "suppressed" in run(*arguments).stdout
