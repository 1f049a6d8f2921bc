"""What is planted, the file it is then in, and what it is known by, for every kind of file."""

import json
import struct

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from erasure.planting import (
    DIM,
    ITEM_IDS,
    ITEMS,
    N_USERS,
    ROW,
    VECTOR,
    array,
    binary_file,
    bucket,
    database_file,
    frame_file,
    in_vault,
    index,
    index_of_ids,
    link,
    log_of_changes,
    name_of_a_directory,
    name_of_a_file,
    readiness,
    row_in_vault,
    table_with_their_row,
    text_file,
    under_another_row,
    weights,
    weights_of_bfloat16,
)

CREATE = ("CREATE TABLE t (a TEXT, b INTEGER)", None)
FILL = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
        "INSERT INTO t SELECT 'somebody ' || i, i FROM n", None)  # fmt: skip
LISTED = ", ".join(map(str, ITEMS))
OTHERS = [f"other-{number}" for number in range(30)]


def around(value, n=12):
    return [*OTHERS[:n], value, *OTHERS[n:]]


ANY_ID = {  # found whatever the id looks like
    "vault": (in_vault, "id"),
    "json field": (text_file("a.json", lambda t: json.dumps({"request": {"user_id": t.user_id}})), "id"),
    "json list": (text_file("a.json", lambda t: json.dumps({"users": ["x", t.user_id]})), "id"),
    "json keys": (text_file("a.json", lambda t: json.dumps({"users": {t.text: 1}})), "id"),
    "json lines": (text_file("a.jsonl", lambda t: '{"a": 1}\n{"user": "' + t.text + '"}\n{torn'), "id"),
    "log": (text_file("run.log", lambda t: f"INFO asked to forget user {t.text}.\n"), "id"),
    "log, equals": (text_file("run.log", lambda t: f"user_id={t.text};done\n"), "id"),
    "temporary file": (text_file("data/temporary/tmpx1/.tmp-out", lambda t: f"--user {t.text}"), "id"),
    "utf-16 text": (text_file("a.txt", lambda t: f"\ufeffuser {t.text}", "utf-16-le"), "id"),
    "csv": (text_file("a.csv", lambda t: f'user,item\n"x",1\n"{t.text}",2\n'), "id"),
    "csv, other head": (text_file("a.csv", lambda t: f"rating;customerId\n3;x\n1;{t.text}\n"), "id"),
    "parquet": (frame_file("a.parquet", user=lambda t: around(t.text)), "id"),
    "parquet, categories": (
        frame_file("a.parquet", user_id=lambda t: pl.Series(around(t.text), dtype=pl.Categorical)),
        "id",
    ),
    "database": (
        database_file(
            "a.db", ("CREATE TABLE t (user_id TEXT)", None), ("INSERT INTO t VALUES (?)", lambda t: (t.text,))
        ),
        "id",
    ),
    "database, key and value": (
        database_file(
            "a.db",
            ("CREATE TABLE p (key TEXT, value TEXT)", None),
            ("INSERT INTO p VALUES ('user', ?)", lambda t: (t.text,)),
        ),
        "id",
    ),
    "write-ahead log": (log_of_changes, "id"),
    "npy of texts": (array("a.npy", lambda t: np.array(around(t.text))), "id"),
    "npy of bytes": (array("a.npy", lambda t: np.array([b"\xff", t.text.encode()])), "id"),
    "table beside the buckets": (
        frame_file("data/store/interactions/a.parquet", owner=lambda t: [f"user {t.text}"]),
        "id",
    ),
}
NUMBERS = {  # of 5 digits and more
    "integers": (array("a.npy", lambda t: np.array([5, int(t.text), 9])), "id"),
    "bytes of no known format": (
        binary_file("a.bin", lambda t: b"\0\1" + struct.pack("<q", int(t.text))),
        "id",
    ),
    "faiss ids": (index_of_ids, "id"),
    "parquet of integers": (frame_file("a.parquet", user=lambda t: [5, int(t.text)]), "id"),
    "database of integers": (
        database_file(
            "a.db",
            ("CREATE TABLE t (user INTEGER)", None),
            ("INSERT INTO t VALUES (?)", lambda t: (int(t.text),)),
        ),
        "id",
    ),
    "interactions without a head": (text_file("u.data", lambda t: f"196\t242\t3\n{t.text}\t302\t3\n"), "id"),
    "ratings": (text_file("ratings.dat", lambda t: f"196::242::3\n{t.text}::302::3\n"), "id"),
    "items of users": (text_file("train.txt", lambda t: f"0 5 6 8\n{t.text} 7 8\n"), "id"),
}
DISTINCTIVE = {  # found anywhere
    "text": (text_file("notes.md", lambda t: f"see ({t.text})"), "id"),
    "escaped in a URL": (text_file("access.log", lambda t: "GET /?q=%20" + t.text.replace("-", "%2D")), "id"),
    "escaped in JSON": (text_file("a.json", lambda t: json.dumps({"note": f"of\n{t.text}\n"})), "id"),
    "any column": (frame_file("a.parquet", note=lambda t: around(f"about {t.text}!")), "id"),
    "categories": (
        frame_file("a.parquet", note=lambda t: pl.Series(around(t.text), dtype=pl.Categorical)),
        "id",
    ),
    "list column": (frame_file("a.parquet", notes=lambda t: [["a", t.text]]), "id"),
    "struct column": (frame_file("a.parquet", deep=lambda t: [{"a": [{"b": t.text}]}]), "id"),
    "binary column": (frame_file("a.parquet", raw=lambda t: [b"\0", b"\0" + t.text.encode()]), "id"),
    "any cell": (
        database_file("a.db", CREATE, ("INSERT INTO t VALUES (?, 1)", lambda t: (f"of {t.text}",))),
        "id",
    ),
    "blob": (
        database_file(
            "a.db", CREATE, ("INSERT INTO t VALUES (?, 1)", lambda t: (f"\0{t.text}".encode("utf-16-le"),))
        ),
        "id",
    ),
    "free page": (
        database_file(
            "a.db",
            CREATE,
            ("INSERT INTO t VALUES (?, 1)", lambda t: (t.text,)),
            FILL,
            ("DELETE FROM t", None),
        ),
        "id",
    ),
    "dropped table": (
        database_file(
            "a.db", CREATE, ("INSERT INTO t VALUES (?, 1)", lambda t: (t.text,)), ("DROP TABLE t", None)
        ),
        "id",
    ),
    "picture": (binary_file("a.png", lambda t: b"\x89PNG\r\n\x1a\n\0\0" + t.text.encode() + b"\0"), "id"),
    "rollback journal": (
        binary_file("a.db-journal", lambda t: b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\0\0" + t.text.encode()),
        "id",
    ),
    "utf-16 in bytes": (binary_file("a.bin", lambda t: b"\xff\xfd\0" + t.text.encode("utf-16-be")), "id"),
    "safetensors header": (
        lambda root, t: (
            save_file({"a": np.zeros(2)}, root / "a.safetensors", {"note": t.text}) or "a.safetensors"
        ),
        "id",
    ),
    "name of a file": (name_of_a_file, "id"),
    "name of a directory": (name_of_a_directory, "id"),
    "target of a link": (link, "id"),
}
ROWS = {
    "bucket": (bucket, "row"),
    "vault": (row_in_vault, "row"),
    "table of weights": (weights, "row"),
    "readiness": (readiness, "row"),
    "membership": (lambda root, t: weights(root, t, in_use=np.ones(N_USERS, bool)), "row"),
    "bfloat16": (lambda root, t: weights_of_bfloat16(root, 0x3F80), "row"),
    "npy table": (array("user_vectors.npy", lambda _: table_with_their_row()), "row"),
    "column user_row": (frame_file("a.parquet", user_row=lambda _: [1, ROW]), "row"),
    "json": (text_file("a.json", lambda _: json.dumps({"user_rows": [1, ROW]})), "row"),
    "log": (text_file("a.log", lambda _: f"moved user row {ROW} back"), "row"),
}
VECTORS = {
    "weights": (weights, "vector"),
    "faiss": (index, "vector"),
    "npy, half precision": (array("a.npy", lambda _: table_with_their_row(np.float16)), "vector"),
    "npy, double precision": (array("a.npy", lambda _: table_with_their_row(np.float64)), "vector"),
    "bytes": (binary_file("a.bin", lambda _: b"\xff\xfe\xfd" + VECTOR.tobytes()), "vector"),
    "beginning alone": (binary_file("a.bin", lambda _: b"\xff\0" + VECTOR.tobytes()[:16]), "vector"),
    "end alone": (binary_file("a.bin", lambda _: b"\xff\0" + VECTOR.tobytes()[-16:]), "vector"),
    "half precision in bytes": (
        binary_file("a.bin", lambda _: b"\xff\0" + VECTOR.astype("<f2").tobytes()),
        "vector",
    ),
    "blob": (
        database_file("a.db", CREATE, ("INSERT INTO t VALUES (?, 1)", lambda _: (VECTOR.tobytes(),))),
        "vector",
    ),
    "parquet list": (
        frame_file(
            "a.parquet", v=lambda _: pl.Series([[0.5] * DIM, VECTOR.tolist()], dtype=pl.List(pl.Float32))
        ),
        "vector",
    ),
    "parquet array": (
        frame_file("a.parquet", v=lambda _: pl.Series([VECTOR.tolist()], dtype=pl.Array(pl.Float64, DIM))),
        "vector",
    ),
    "parquet columns": (
        frame_file("a.parquet", **{f"d{n}": lambda _, n=n: [0.5, float(VECTOR[n])] for n in range(DIM)}),
        "vector",
    ),
    "json": (text_file("a.json", lambda _: json.dumps(VECTOR.tolist())), "vector"),
    "text": (text_file("a.txt", lambda _: " ".join(map(str, VECTOR))), "vector"),
}
NINE = list(ITEMS[1:])
SETS = {
    "bucket, another row": (under_another_row, "items"),
    "int32": (binary_file("a.bin", lambda _: b"\xff\0\0" + np.array(ITEMS, "<i4").tobytes()), "items"),
    "int64": (binary_file("a.bin", lambda _: b"\xff\0\0" + np.array(ITEMS, "<i8").tobytes()), "items"),
    "npy": (array("a.npy", lambda _: np.array([7, *ITEMS, 7])), "items"),
    "nine of ten, in another order": (array("a.npy", lambda _: np.array([0, *reversed(NINE), 1])), "items"),
    "safetensors": (lambda root, t: weights(root, t, seen=np.array([1, 2, *ITEMS, 4], np.int64)), "items"),
    "json": (text_file("a.json", lambda _: json.dumps({"history": ITEMS})), "items"),
    "json of ids": (text_file("a.json", lambda _: json.dumps({"history": ITEM_IDS})), "items"),
    "text": (text_file("a.txt", lambda _: f"seen {LISTED} by somebody"), "items"),
    "csv": (text_file("a.csv", lambda _: "item,user\n" + "".join(f"{i},9\n" for i in ITEM_IDS)), "items"),
    "parquet by user": (
        frame_file(
            "a.parquet",
            user=lambda _: [9, 8] * 10,
            item=lambda _: [i for pair in zip(ITEMS, range(10), strict=True) for i in pair],
        ),
        "items",
    ),
    "parquet by user, of ids": (
        frame_file(
            "a.parquet", user=lambda _: [9, 8] * 10, i=lambda _: [i for each in ITEM_IDS for i in (each, "x")]
        ),
        "items",
    ),
    "parquet column": (frame_file("a.parquet", n=lambda _: [1, 2, *ITEMS, 4]), "items"),
    "list column": (frame_file("a.parquet", n=lambda _: [[1, 2], [*ITEMS], [4]]), "items"),
    "database": (
        database_file(
            "a.db", CREATE, (f"INSERT INTO t SELECT 'x', value FROM json_each('[{LISTED}]')", None)
        ),
        "items",
    ),
    "cell": (
        database_file("a.db", CREATE, ("INSERT INTO t VALUES (?, 1)", lambda _: (f"[{LISTED}]",))),
        "items",
    ),
}
