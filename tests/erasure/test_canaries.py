"""A canary in every kind of file is found, and a workspace that never held it gives no hit."""

import json

import pytest

from erasure.canaries import ANY_ID, CREATE, DISTINCTIVE, NUMBERS, ROWS, SETS, VECTORS
from erasure.planting import TARGETS, database_file, frame_file, text_file
from recsys_unlearn.erasure.residue import scan


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_workspace_that_never_held_them_gives_no_hit(others, target):
    found = scan(others, target)
    assert (found.hits, found.unread) == ([], [])
    paths = [path for path in others.rglob("*") if path.is_file()]
    assert (found.files, found.bytes) == (len(paths), sum(path.stat().st_size for path in paths))
    assert found.seconds > 0


def cases(targets, canaries):
    return [
        pytest.param(TARGETS[target], *canary, id=f"{target}, {name}")
        for target in targets
        for name, canary in canaries.items()
    ]


@pytest.mark.parametrize(
    ("target", "plant", "kind"),
    [
        *cases(TARGETS, ANY_ID),
        *cases(["number", "long number"], NUMBERS),
        *cases(["name", "long number"], DISTINCTIVE),
        *cases(["name"], ROWS | {f"vector, {name}": each for name, each in VECTORS.items()}),
        *cases(["name"], {f"items, {name}": each for name, each in SETS.items()}),
    ],
)
def test_a_canary_is_found(workspace, target, plant, kind):
    path = plant(workspace, target)
    found = scan(workspace, target)
    assert (path, kind) in {(hit.path, hit.kind) for hit in found.hits}
    assert found.unread == []
    assert not any(target.text in f"{hit.path} {hit.where}".split() for hit in found.hits)


HARMLESS = {
    "a count of users": text_file("a.json", lambda t: json.dumps({"users": int(t.text), "n_user": t.text})),
    "a number in a text": text_file("a.txt", lambda t: f"after {t.text} epochs, {t.text} users"),
    "an item": frame_file("a.parquet", item=lambda t: [t.text], count=lambda t: [int(t.text)]),
    "a longer number": text_file("a.txt", lambda t: f"user 1{t.text} and user {t.text}1"),
    "a cell": database_file("a.db", CREATE, ("INSERT INTO t VALUES (?, ?)", lambda t: (t.text, int(t.text)))),
    "a score": text_file("a.csv", lambda t: f"epoch,loss\n1,{t.text}\n2,{t.text}\n"),
}


@pytest.mark.parametrize("plant", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("target", ["number", "short"])
def test_a_number_that_is_not_beside_a_user_is_no_hit(workspace, plant, target):
    plant(workspace, TARGETS[target])
    assert scan(workspace, TARGETS[target]).hits == []
