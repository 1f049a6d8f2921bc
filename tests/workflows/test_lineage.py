"""The ledger's story of versions: who comes from whom, and what each may still know."""

import pytest
from trained_workspace import TINY_MODEL
from workspace_contents import hashes

from recsys_unlearn.erasure.ledger import Entry
from recsys_unlearn.errors import VersionError
from recsys_unlearn.tracking.versions import DIGEST_TAG
from recsys_unlearn.workflows.forget import Handling, forget
from recsys_unlearn.workflows.lineage import (
    KIND,
    Lineage,
    Origin,
    check_recorded,
    record,
    recorded_recall,
    remaining,
)
from recsys_unlearn.workflows.train import train


def _entry(sequence, digest, parent=None, scratch=False, batch=None, forgotten=0, interactions=100, number=1):
    body = {
        "version": number,
        "files_sha256": digest,
        "parent": parent,
        "from_scratch": scratch,
        "batch": batch,
        "forgotten": forgotten,
        "interactions": interactions,
    }
    return Entry(sequence, "2026-01-01T00:00:00+00:00", KIND, body, "", "")


STORY = [
    _entry(1, "fitted", scratch=True),
    _entry(5, "first", "fitted", batch="r1", forgotten=4),
    _entry(9, "second", "first", batch="r2", forgotten=6),
    _entry(12, "again", "second", scratch=True, batch="r3", interactions=80, forgotten=10),
    _entry(15, "third", "again", batch="r4", forgotten=2),
]


@pytest.fixture
def lineage():
    return Lineage(STORY)


@pytest.mark.parametrize(
    ("digest", "batch", "erased_at", "knows"),
    [
        ("fitted", "r1", 3, True),  # fitted before the data went
        ("first", "r1", 3, False),  # made to forget it
        ("second", "r1", 3, False),  # comes from one that was
        ("first", "r2", 7, True),  # made before
        ("again", "r1", 3, False),  # fitted afterwards
        ("again", "r9", 11, False),
        ("again", "r9", 13, True),
        ("third", "r2", 7, False),
        ("third", "r9", 13, True),  # made after, from one that was fitted before
        ("nowhere", "r1", 3, True),  # of which nothing is known
        (None, "r1", 3, True),
    ],
)
def test_what_a_version_may_still_know(lineage, digest, batch, erased_at, knows):
    assert lineage.knows(digest, batch, erased_at) is knows


def test_a_version_leads_back_to_one_that_was_fitted_and_no_further(lineage):
    assert [each.sequence for each in lineage.back_from("second")] == [9, 5, 1]
    assert [each.sequence for each in lineage.back_from("third")] == [15, 12]
    assert list(lineage.back_from("nowhere")) == []


def test_what_is_spent_counts_from_the_last_full_training(lineage):
    assert lineage.spent("fitted") == 0
    assert lineage.spent("second") == pytest.approx(0.1)
    assert lineage.spent("again") == 0
    assert lineage.spent("third", more=6) == pytest.approx(0.1)
    assert lineage.spent(None) == 0
    assert Lineage([_entry(1, "empty", scratch=True, interactions=0)]).spent("empty", 5) == 0


def test_of_versions_with_the_same_number_the_latest_is_meant(lineage):
    assert lineage.digest_of(1) == "third"
    assert lineage.digest_of(None) is lineage.digest_of(7) is None


def test_a_training_and_a_deletion_are_recorded_with_the_digest_of_who_remains(workspace, member):
    forget(workspace, [member], verify=False)
    first, second = [each.body for each in workspace.ledger().entries() if each.kind == KIND]
    version = workspace.registry().champion()
    assert (first["from_scratch"], first["parent"], first["batch"]) == (True, None, None)
    assert (second["from_scratch"], second["parent"]) == (False, first["files_sha256"])
    assert second["files_sha256"] == version.tags[DIGEST_TAG]
    assert second["batch"] == version.tags["request_id"]
    assert (first["users"], second["users"]) == (150, 149)
    assert second["users_root"] == remaining(workspace, workspace.store()).root != first["users_root"]
    assert second["store_digest"] == workspace.key().data(workspace.store().digest)


def test_to_record_a_version_twice_is_to_record_it_once(workspace):
    version, before = workspace.registry().champion(), hashes(workspace.erasure_dir)
    record(workspace, version, workspace.store(), Origin(from_scratch=True))
    assert hashes(workspace.erasure_dir) == before


def test_a_version_that_the_ledger_does_not_name_is_not_opened(workspace):
    version = workspace.registry().champion()
    check_recorded(workspace, version)
    for path in workspace.erasure_dir.iterdir():
        path.unlink() if path.is_file() else None
    workspace._requests = None
    with pytest.raises(
        VersionError, match="version 1 is not in this workspace's ledger, so it is not opened"
    ):
        check_recorded(workspace, version)


def test_a_deletion_that_was_not_measured_has_its_parent_s_recall(workspace, member):
    before = recorded_recall(workspace, workspace.registry().champion())
    forget(workspace, [member], verify=False)
    assert recorded_recall(workspace, workspace.registry().champion()) == before > 0


def test_so_a_training_after_it_is_held_against_that(workspace, member):
    forget(workspace, [member], verify=False, handling=Handling(keep="0"))
    outcome = train(workspace, TINY_MODEL)
    assert (outcome.version, outcome.champion) == (3, True)
