import random
import stat

import pytest

from recsys_unlearn.errors import StoreError
from recsys_unlearn.interactions.vault import Vault


def many_ids(n, seed=0):
    """Ids of very different lengths, the hard case for SQLite's own zeroing."""
    draw = random.Random(seed)
    return [f"u{draw.getrandbits(128):032x}" + "z" * draw.choice([0, 5, 60, 300, 3000]) for _ in range(n)]


def test_both_ways(tmp_path):
    vault = Vault.create(tmp_path / "vault.db", enumerate(["x", "y"]))
    assert (vault.row_of("y"), vault.id_of(0), vault.row_of("z"), vault.id_of(2)) == (1, "x", None, None)
    assert vault.rows() == [0, 1]
    assert vault.entries() == [(0, "x"), (1, "y")]


def test_only_the_owner_may_read_it(tmp_path):
    vault = Vault.create(tmp_path / "vault.db", [(0, "x")])
    vault.erase([0])
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600


def test_erased_ids_leave_no_byte_behind(tmp_path):
    ids = many_ids(3000)
    vault = Vault.create(tmp_path / "vault.db", enumerate(ids))
    # Enough deletions that pages are merged: without VACUUM one to six ids stay readable, for any seed.
    gone = random.Random(1).sample(range(3000), 2700)
    for start in range(0, 2700, 100):
        assert vault.erase(gone[start : start + 100]) == 100
    raw = vault.path.read_bytes()
    assert [row for row in gone if ids[row][:33].encode() in raw] == []
    assert all(ids[row].encode()[:33] in raw for row in set(range(3000)) - set(gone))
    assert [path.name for path in tmp_path.iterdir()] == ["vault.db"]


def test_erasing_twice_changes_nothing(tmp_path):
    vault = Vault.create(tmp_path / "vault.db", enumerate("abc"))
    assert vault.erase([1]) == 1
    before = vault.path.read_bytes(), vault.path.stat().st_mtime_ns
    assert vault.erase([1]) == vault.erase([]) == 0
    assert (vault.path.read_bytes(), vault.path.stat().st_mtime_ns) == before
    assert not vault.knows_any([1]) and vault.knows_any([1, 2])


@pytest.mark.parametrize("damage", [b"", b"not a database" * 100, None])
def test_a_damaged_vault_says_what_to_do(tmp_path, damage):
    path = tmp_path / "vault.db"
    Vault.create(path, [(0, "x")])
    path.unlink() if damage is None else path.write_bytes(damage)
    for use in (lambda: Vault(path).row_of("x"), lambda: Vault(path).erase([0])):
        with pytest.raises(StoreError, match="missing or damaged: restore it from a backup, or ingest again"):
            use()
