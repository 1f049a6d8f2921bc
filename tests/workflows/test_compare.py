import pytest

from recsys_unlearn.errors import VersionError
from recsys_unlearn.workflows.compare import compare
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workspace import Workspace


def test_all_versions_come_oldest_first_with_the_same_metrics(workspace, member):
    forget(workspace, [member], handling=Handling(keep="1"))
    first, second = compare(workspace).as_list()
    assert (first["version"], second["version"]) == (1, 2)
    assert second["parent_version"] == 1
    assert list(first["metrics"]) == list(second["metrics"])
    assert second["metrics"]["deleted/users"] == 1
    assert second["aliases"] == ["champion"]


def test_named_versions_come_in_the_order_named(workspace, member):
    forget(workspace, [member], verify=False, handling=Handling(keep="1"))
    assert [each["version"] for each in compare(workspace, [2, 1]).as_list()] == [2, 1]
    assert [each["version"] for each in compare(workspace, [1]).as_list()] == [1]


def test_a_version_that_is_not_there_is_an_error(pristine):
    with pytest.raises(VersionError, match="there is no version 7"):
        compare(pristine, [7])


def test_an_empty_workspace_has_none_and_stays_empty(tmp_path):
    assert compare(Workspace(tmp_path)).as_list() == []
    assert list(tmp_path.iterdir()) == []
