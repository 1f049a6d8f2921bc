"""People to look for, a workspace without them, and ways to plant a trace in each kind of file."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from recsys_unlearn.erasure.residue import Target, scan
from recsys_unlearn.interactions.vault import Vault
from recsys_unlearn.retrieval import ItemIndex

N_USERS, N_ITEMS, DIM = 60, 300, 16
ROW, STORE_ID = 33, "7594b7b8bb8295b3fb5f4459632fe36f"
ITEMS = (3, 18, 40, 77, 120, 121, 200, 251, 280, 299)
ITEM_IDS = tuple(f"B{item:04d}x" for item in ITEMS)
VECTOR = np.random.default_rng(5).normal(size=DIM).astype(np.float32)
KNOWN = {
    "row": ROW,
    "items": ITEMS,
    "item_ids": ITEM_IDS,
    "vectors": (VECTOR,),
    "store_id": STORE_ID,
    "n_users": N_USERS,
    "n_items": N_ITEMS,
}
NAME = Target("canary-12-7f3a", **KNOWN)
NUMBER = Target(20481, **KNOWN)
SHORT = Target("7", **KNOWN)
LONG_NUMBER = Target("400700123456", **KNOWN)
TARGETS = {"name": NAME, "number": NUMBER, "short": SHORT, "long number": LONG_NUMBER}
MODEL = "mlruns/artifacts/models/m-0123/artifacts/files"


def kinds(root, target, **options):
    found = scan(root, target, **options)
    return sorted({(hit.path, hit.kind) for hit in found.hits})


def image_of(*statements):
    """Bytes of a SQLite database after these statements."""
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
        return database.serialize()


def workspace_of_others(root):
    """Make a workspace in which none of them ever was, of every kind of file that a real one has."""
    draw = np.random.default_rng(1)
    rows = [row for row in range(N_USERS) if row != ROW]
    store = root / "data" / "store"
    (store / "interactions").mkdir(parents=True)
    (store / "store.json").write_text(json.dumps({"store_id": STORE_ID, "n_users": N_USERS, "generation": 7}))
    Vault.create(store / "vault.db", [(row, f"canary-{row + 100}-7f3a") for row in rows])
    pairs = [(row, item) for row in rows for item in np.sort(draw.choice(N_ITEMS, 20, replace=False))]
    frame = pl.DataFrame(pairs, schema={"user": pl.Int32, "item": pl.Int32}, orient="row")
    frame = frame.with_columns(split=pl.lit(0, pl.Int8), time=pl.lit(1_700_000_000, pl.Int64))
    frame.write_parquet(store / "interactions" / "bucket=000.2.parquet", compression="zstd")
    items = pl.DataFrame({"row": range(N_ITEMS), "id": [f"B{item:04d}x" for item in range(N_ITEMS)]})
    items.write_parquet(store / "items.parquet")
    tables = {
        "user_table": draw.normal(size=(N_USERS, DIM)).astype(np.float32),
        "item_table": draw.normal(size=(N_ITEMS, DIM)).astype(np.float32),
    }
    tables["user_table"][ROW] = 0
    (root / MODEL).mkdir(parents=True)
    save_file(tables, root / MODEL / "weights.safetensors")
    logs = np.where(np.arange(N_USERS) == ROW, -np.inf, 1).astype(np.float32)
    save_file({"log_partition": logs}, root / MODEL / "readiness.safetensors")
    ItemIndex.build(tables["item_table"]).save(root / MODEL / "index.faiss")
    (root / MODEL / "model.json").write_text(json.dumps({"dim": 7, "users": 7, "n_users": 7, "top": [7, 33]}))
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE params (key TEXT, value TEXT)")
        database.execute("CREATE TABLE runs (run_uuid TEXT, user_id TEXT, start_time INTEGER)")
        database.executemany(
            "INSERT INTO params VALUES (?, ?)", [("dim", "7"), ("n_users", "7"), ("k", None)]
        )
        database.execute("INSERT INTO runs VALUES ('7f', 'recsys-unlearn', 7)")
    (root / "mlruns" / "roc.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + bytes(draw.integers(0, 256, 3000, np.uint8))
    )
    log = "trained 7 epochs on 59 users\nuser row 12 moved\n7 users forgotten\n1700000007\n"
    (root / "train.log").write_text(log)
    (root / "data" / ".lock").write_text("")
    return root


def text_file(name, content, encoding="utf-8"):
    def plant(root, target):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(target).encode(encoding))
        return name

    return plant


def binary_file(name, content):
    def plant(root, target):
        (root / name).write_bytes(content(target))
        return name

    return plant


def frame_file(name, **columns):
    def plant(root, target):
        frame = pl.DataFrame({key: make(target) for key, make in columns.items()})
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(root / name)
        return name

    return plant


def database_file(name, *statements, journal="DELETE"):
    def plant(root, target):
        with closing(sqlite3.connect(root / name)) as database:
            database.execute("PRAGMA secure_delete = OFF")
            database.execute(f"PRAGMA journal_mode = {journal}")
            for statement, values in statements:
                database.execute(statement, values(target) if values else ())
                database.commit()
        return name

    return plant


def bucket(root, target, rows=(ROW,)):
    name = "data/store/interactions/bucket=000.1.parquet"
    pairs = [(row, item) for row in rows for item in ITEMS]
    frame = pl.DataFrame(pairs, schema={"user": pl.Int32, "item": pl.Int32}, orient="row")
    frame.write_parquet(root / name)
    return name


def under_another_row(root, target):
    return bucket(root, target, rows=(ROW + N_USERS,))


def in_vault(root, target):
    path = root / "data/store/vault.db"
    path.unlink()
    Vault.create(path, [(ROW, target.text), (1, "canary-200-7f3a")])
    return "data/store/vault.db"


def row_in_vault(root, target):
    path = root / "data/store/vault.db"
    path.unlink()
    Vault.create(path, [(ROW, "somebody else")])
    return "data/store/vault.db"


def weights(root, target, **tables):
    name = f"{MODEL}/weights.safetensors"
    save_file(tables or {"user_table": table_with_their_row()}, root / name)
    return name


def table_with_their_row(kind=np.float32):
    table = np.random.default_rng(2).normal(size=(N_USERS, DIM)).astype(kind)
    table[ROW] = VECTOR.astype(kind)
    return table


def weights_of_bfloat16(root, value):
    import torch
    from safetensors.torch import save_file as save

    table = torch.ones(N_USERS, 3, dtype=torch.bfloat16)
    table[ROW] = torch.tensor([0, value, value], dtype=torch.uint16).view(torch.bfloat16)
    save({"user_table": table}, root / MODEL / "weights.safetensors")
    return f"{MODEL}/weights.safetensors"


def readiness(root, target):
    name = f"{MODEL}/readiness.safetensors"
    save_file({"log_partition": np.zeros(N_USERS, np.float32) + 2}, root / name)
    return name


def index(root, target):
    table = np.random.default_rng(3).normal(size=(N_ITEMS, DIM)).astype(np.float32)
    table[5] = VECTOR
    ItemIndex.build(table).save(root / MODEL / "index.faiss")
    return f"{MODEL}/index.faiss"


def index_of_ids(root, target):
    import faiss

    made = faiss.IndexIDMap2(faiss.IndexFlatIP(DIM))
    made.add_with_ids(np.ones((1, DIM), np.float32), np.array([int(target.text)]))
    faiss.write_index(made, str(root / "users.faiss"))
    return "users.faiss"


def array(name, make):
    def plant(root, target):
        np.save(root / name, make(target))
        return name

    return plant


def log_of_changes(root, target):
    """A database whose last rows are in its write-ahead log alone, as a crash leaves it."""
    path = root / "live.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE users (row INTEGER PRIMARY KEY, id TEXT)")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("INSERT INTO users VALUES (1, ?)", (target.text,))
    kept = {each: each.read_bytes() for each in (path, root / "live.db-wal")}
    database.close()  # folds the log into the file
    for each, content in kept.items():
        each.write_bytes(content)
    assert target.text.encode() not in path.read_bytes()
    return "live.db"


def name_of_a_file(root, target):
    (root / "exports").mkdir()
    (root / "exports" / f"of {target.text}.txt").write_text("empty")
    return "exports/*"


def name_of_a_directory(root, target):
    (root / f"export-{target.text}" / "inner").mkdir(parents=True)
    return "*"


def link(root, target):
    (root / "link").symlink_to(f"/srv/{target.text}/data")
    return "link"
