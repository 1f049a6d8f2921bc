"""A process that has imported everything, and forks a child for each call of the command line.

Run as a program: one JSON object per line comes in, one goes out. Only a process with a single thread
may fork, so nothing here computes anything: polars, torch and faiss start their threads in the child.
"""

import ctypes
import gc
import importlib
import io
import json
import mmap
import os
import pkgutil
import runpy
import select
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any


def serve(library: str) -> None:
    """Answer until standard input ends."""
    _import_everything()
    faults = ctypes.CDLL(library)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # else whatever a library prints would be taken for an answer
    print(json.dumps({"threads": len([*Path("/proc/self/task").iterdir()])}), file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = _wait(**order["wait"]) if "wait" in order else _start(faults, order["start"])
        print(json.dumps(answer), file=answers, flush=True)


def _import_everything() -> None:
    import recsys_unlearn

    for module in pkgutil.walk_packages(recsys_unlearn.__path__, "recsys_unlearn."):
        with suppress(ImportError):  # the child that needs it will say so
            importlib.import_module(module.name)
    from recsys_unlearn.tracking.figures import recall_figure
    from recsys_unlearn.workspace import Workspace

    with tempfile.TemporaryDirectory() as scratch:  # SQLAlchemy compiles what it knows of the tables once
        Workspace(scratch).registry().versions()
        _ = Workspace(scratch).tracker().experiment_id
    recall_figure({"recall@20": 0.5}, {"recall@20": 0.5}).savefig(io.BytesIO())  # finds the fonts
    gc.collect()
    gc.freeze()


def _start(faults: Any, order: dict[str, Any]) -> dict[str, int]:
    pid = os.fork()
    if pid:
        return {"pid": pid}
    code = 70
    try:
        code = _child(faults, **order)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _child(
    faults: Any,
    arguments: list[str],
    output: str,
    directory: str,
    script: str | None = None,
    environment: dict[str, str] | None = None,
    fault: dict[str, Any] | None = None,
) -> int:
    os.setpgid(0, 0)
    os.chdir(directory)
    os.environ.update(environment or {})
    tempfile.tempdir = None  # looked up again, in this child's environment
    for number, name in enumerate(("in", "out", "err")):
        os.dup2(os.open(f"{output}.{name}", os.O_RDWR | os.O_CREAT, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode) for n, mode in enumerate("rww"))
    if fault:
        _arm(faults, **fault)
    try:
        _run(arguments, script)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _run(arguments: list[str], script: str | None) -> None:
    from recsys_unlearn.cli import main

    if script is None:
        main(arguments)
    else:
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")


def _arm(faults: Any, root: str, journal: str, action: int, at: int, value: int) -> None:
    with Path(journal).open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 0)
    address = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    failed = faults.faults_arm(
        root.encode(), ctypes.c_void_p(address), action, ctypes.c_uint64(at), ctypes.c_int(value)
    )
    if failed:
        raise OSError(failed, "the fault filter could not be installed")
    globals()["_kept"] = shared  # the handler writes to it as long as the process lives


def _wait(pid: int, seconds: float) -> dict[str, Any]:
    watched = os.pidfd_open(pid)
    ready, _, _ = select.select([watched], [], [], seconds)
    os.close(watched)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "late": not ready}


if __name__ == "__main__":
    serve(sys.argv[1])
