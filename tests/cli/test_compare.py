import pytest

from recsys_unlearn.cli.compare import SHOWN, comparison_parts


def _version(number):
    metrics = {"recall@20": 0.1 * number, "ndcg@20": None, "deleted/users": 2.0}
    return {"version": number, "kind": "train", "parent_version": None, "aliases": [], "metrics": metrics}


def _text(parts, capsys):
    from recsys_unlearn.cli.output import print_parts

    print_parts(parts)
    return capsys.readouterr().out


def test_json_is_a_list_of_versions_with_their_metrics(run_json, pristine):
    (only,) = run_json("compare", "--workspace", pristine.root)
    assert only["version"] == 1
    assert only["aliases"] == ["champion"]
    assert 0 <= only["metrics"]["recall@20"] <= 1


def test_people_read_columns_of_versions(run, pristine):
    lines = run("compare", "--workspace", pristine.root).stdout.splitlines()
    assert lines[0].split() == ["version", "1"]
    assert any(line.split()[:1] == ["recall@20"] for line in lines)


def test_a_version_that_is_not_there_is_code_1(run, pristine):
    result = run("compare", 1, 99, "--workspace", pristine.root)
    assert result.exit_code == 1
    assert "there is no version 99" in result.stderr


@pytest.mark.parametrize("arguments", [["zero"], ["0"]])
def test_a_version_is_a_number_from_1(run, arguments):
    assert run("compare", *arguments).exit_code == 2


def test_an_empty_workspace_has_nothing_to_compare(run, run_json, tmp_path):
    assert "recsys-unlearn train" in run("compare", "--workspace", tmp_path).stdout
    assert run_json("compare", "--workspace", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_only_the_newest_fit_a_terminal(capsys):
    text = _text(comparison_parts([_version(n) for n in range(1, SHOWN + 3)]), capsys)
    assert f"version {SHOWN + 2}" in text
    assert "version 2 " not in text
    assert f"The newest {SHOWN} of {SHOWN + 2}" in text


def test_what_nobody_measured_has_no_row_and_counts_are_whole(capsys):
    lines = _text(comparison_parts([_version(1), _version(2)]), capsys).splitlines()
    assert not any("ndcg" in line for line in lines)
    assert any(line.split() == ["deleted/users", "2", "2"] for line in lines)
