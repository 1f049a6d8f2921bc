from recsys_unlearn.cli.audit import audit_figures

AUDIT = {
    "auc": 0.5,
    "auc_interval": [0.4, 0.6],
    "recall_gap": 0.0,
    "recall_gap_interval": [-0.1, 0.1],
    "users": 3,
    "strangers": 30,
    "verdict": "too few users",
}


def test_json_has_the_audit_of_the_champion(run_json, pristine):
    outcome = run_json("audit", "--workspace", pristine.root)
    assert sorted(outcome) == ["audit", "seconds", "utility", "version"]
    assert outcome["version"] == 1
    assert {"auc", "recall_gap", "verdict", "users", "strangers"} <= set(outcome["audit"])
    assert "recall@20" in outcome["utility"]


def test_people_read_figures_with_what_they_would_be_for_strangers(run, pristine):
    result = run("audit", "--version", 1, "--workspace", pristine.root)
    assert result.exit_code == 0
    assert result.stdout.startswith("Version 1: its users against strangers")
    for part in ("membership AUC", "(0.5: like strangers)", "recall gap", "verdict", "recall@20"):
        assert part in result.stdout


def test_a_version_that_is_not_there_is_code_1(run, pristine):
    assert run("audit", "--version", 9, "--workspace", pristine.root).exit_code == 1


def test_figures_name_the_estimate_its_interval_and_the_sides():
    assert audit_figures(AUDIT) == {
        "membership AUC": "0.5000 [0.4000, 0.6000] (0.5: like strangers)",
        "recall gap": "0.0000 [-0.1000, 0.1000] (0: like strangers)",
        "verdict": "too few users (3 against 30 strangers)",
    }


def test_figures_of_a_deletion_also_say_how_it_was_before_and_where_each_user_stands():
    found = audit_figures(AUDIT | {"auc_before": 0.9, "percentiles": [0.25, 0.5]})
    assert found["membership AUC before"] == "0.9000"
    assert found["place among strangers"] == "0.25, 0.50"


def test_the_sharper_attack_is_told_beside_the_plain_one():
    sharper = {"adjusted_auc": 0.7, "adjusted_auc_interval": [0.6, 0.8], "adjusted_auc_before": 0.95}
    found = audit_figures(AUDIT | sharper)
    assert found["difficulty taken out"] == "0.7000 [0.6000, 0.8000] (0.5: like strangers)"
    assert found["difficulty taken out, before"] == "0.9500"


def test_near_duplicates_are_counted_even_where_there_were_no_strangers():
    for named in ([4, 9], 2):
        assert audit_figures({"near_duplicates": named})["near-duplicates"].startswith("2 accounts")
    assert audit_figures({"near_duplicates": [], "version_difference": {"chance": 0.1}}) == {}


def test_an_audit_that_could_not_be_made_has_no_figures():
    assert audit_figures({}) == {}


def test_what_could_not_be_estimated_is_a_dash():
    nothing = {"auc": None, "auc_interval": [None, None]}
    assert audit_figures(AUDIT | nothing)["membership AUC"].startswith("– (0.5")
