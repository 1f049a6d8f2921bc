import pytest

from recsys_unlearn.erasure import naming


@pytest.mark.parametrize(
    "text", ["user1", "a@b.c", "canary-12-7f3a", "né 12", "123456789", "abcdefghijklmnop", "1-23456-789"]
)
def test_distinctive(text):
    assert naming.is_distinctive(text)


@pytest.mark.parametrize(
    "text", ["", "7", "20481", "12345678", "anna", "a-1", "abcdefghijklmno", "2026-11-21", "12:30:45"]
)
def test_not_distinctive(text):
    assert not naming.is_distinctive(text)


FIELDS = [
    "user",
    "user_id",
    "userId",
    "UserID",
    "uid",
    "userid",
    "customer_id",
    "mlflow.user",
    "accountNo",
    "for_user_name",
]
LISTS = ["users", "user_ids", "uids", "deleted/users", "members"]
NEITHER = [
    "superuser",
    "n_users",
    "num_user",
    "user_row",
    "user_table",
    "run_id",
    "used",
    "uuid",
    "count_user",
    "id",
    "",
]


@pytest.mark.parametrize("name", [*FIELDS, *LISTS, *NEITHER])
def test_fields_of_users(name):
    assert naming.is_field(name) == (name in FIELDS)
    assert naming.is_list_of(name) == (name in FIELDS + LISTS)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("forgot user 7.", ["7"]),
        ("user=7;", ["7"]),
        ("USER_ID: a-b,", ["a-b"]),
        ("--user 7", ["7"]),
        ('"user": "7"}', ["7"]),
        ("user\t7", ["7"]),
        ("user #7", ["7"]),
        ("users 7", []),
        ("superuser 7", []),
        ("n_user 7", []),
        ("user", []),
    ],
)
def test_words_beside_the_user(text, ids):
    assert sorted({each.rstrip(".") for each in naming.ids_beside(text)}) == ids
    assert set(ids) <= set(naming.ids_beside(text))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("user row 12 moved", [12]),
        ("user_row: 3,", [3]),
        ("user row 1.5", []),
        ("row 3", []),
        ("user rows 3", []),
    ],
)
def test_rows_beside_the_user(text, rows):
    assert list(naming.rows_beside(text)) == rows


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("20481", 20481),
        ("2048", None),
        ("020481", None),
        ("-20481", None),
        ("1e5", None),
        (None, None),
        ("9" * 19, None),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_numbers(text, number):
    assert naming.as_number(text) == number


def test_small_numbers_where_they_are_asked_for():
    assert [naming.as_number(text, digits=1) for text in ("0", "7", "00", "")] == [0, 7, None, None]


def test_most_ids_have_one_spelling_and_some_have_many():
    assert naming.spellings("canary-1") == ["canary-1"]
    found = naming.spellings('é "x"/y z')
    for spelling in (
        'é ""x""/y z',
        '\\u00e9 \\"x\\"/y z',
        "%C3%A9%20%22x%22%2Fy%20z",
        "%C3%A9+%22x%22%2Fy+z",
        'e\u0301 "x"/y z',
    ):
        assert spelling in found
