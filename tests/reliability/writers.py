"""Everything in this project's process that writes files, each once, below the directory named last."""

import ctypes
import mmap
import os
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import faiss
import numpy as np
import polars as pl
from safetensors.numpy import save_file


def python(root: Path) -> None:
    (root / "file").write_text("some text")


def directories(root: Path) -> None:
    (root / "made").mkdir()
    (root / "made" / "deeper").mkdir()
    (root / "made" / "deeper").rename(root / "moved")
    (root / "moved").rmdir()


def copying(root: Path) -> None:
    shutil.copy2(__file__, root / "copy")


def sqlite(root: Path) -> None:
    with sqlite3.connect(root / "database") as database:
        database.execute("CREATE TABLE numbers (number INTEGER)")


def polars(root: Path) -> None:
    pl.DataFrame({"number": range(5000)}).write_parquet(root / "table.parquet")


def polars_streaming(root: Path) -> None:
    pl.LazyFrame({"number": range(5000)}).sink_parquet(root / "streamed.parquet")


def safetensors(root: Path) -> None:
    save_file({"table": np.zeros((50, 8), np.float32)}, root / "weights.safetensors")


def faiss_index(root: Path) -> None:
    index = faiss.IndexFlatIP(8)
    index.add(np.ones((1000, 8), np.float32))
    faiss.write_index(index, str(root / "index.faiss"))


def c_library(root: Path) -> None:
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(library.fopen(os.fsencode(root / "stdio"), b"w"))
    library.fputs(b"some text", stream)
    library.fclose(stream)


def another_thread(root: Path) -> None:
    thread = threading.Thread(target=python, args=(root,))
    thread.start()
    thread.join()


def memory_map(root: Path) -> None:
    with (root / "there").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0] = 1


WRITERS = (
    python,
    directories,
    copying,
    sqlite,
    polars,
    polars_streaming,
    safetensors,
    faiss_index,
    c_library,
    another_thread,
)

if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[-1]))
