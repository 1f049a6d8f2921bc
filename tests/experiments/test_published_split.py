import pytest

from recsys_unlearn.errors import UnreadableSource
from recsys_unlearn.experiments.published_split import read_published_split


def test_the_files_numbers_are_the_rows(tmp_path):
    (tmp_path / "train.txt").write_text("0 3 1\n2 0\n")
    (tmp_path / "test.txt").write_text("0 4\n1\n5 2\n")  # user 1 has no test item, as LightGCN writes it
    train, test = read_published_split(tmp_path)
    assert (train.n_users, train.n_items) == (test.n_users, test.n_items) == (6, 5)
    assert list(zip(train.users.tolist(), train.items.tolist(), strict=True)) == [(0, 1), (0, 3), (2, 0)]
    assert list(zip(test.users.tolist(), test.items.tolist(), strict=True)) == [(0, 4), (5, 2)]


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "train.txt").write_text("0 3 1\n")
    with pytest.raises(UnreadableSource, match=r"test\.txt does not exist"):
        read_published_split(tmp_path)
