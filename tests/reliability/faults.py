"""Calls of the command line in processes of their own, counted, killed and hindered at chosen writes."""

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}
SCRATCH = "scratch"  # beside a workspace: what the calls take for the system's temporary directory
COUNT, KILL, TEAR, FAIL, FAIL_FROM_HERE = range(5)
# Of system calls, as x86-64 numbers them; elsewhere a message shows the number.
NAMES = {
    1: "write",
    2: "open",
    18: "pwrite64",
    20: "writev",
    40: "sendfile",
    74: "fsync",
    75: "fdatasync",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    84: "rmdir",
    87: "unlink",
    90: "chmod",
    91: "fchmod",
    257: "openat",
    258: "mkdirat",
    263: "unlinkat",
    264: "renameat",
    280: "utimensat",
    285: "fallocate",
    316: "renameat2",
    326: "copy_file_range",
}
_HEAD, _OPERATION = struct.Struct("=QQQ"), struct.Struct("=Q248s")
_NO_COMPILER, _NO_FILTER = "no C compiler here", "this system lets nobody install a seccomp filter"


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th write below the workspace, counted from 1."""

    action: int = COUNT
    at: int = 0
    value: int = signal.SIGKILL  # or an errno

    @classmethod
    def kill(cls, at: int) -> "Fault":
        """SIGKILL before the n-th write is made, which is after the one before it."""
        return cls(KILL, at)

    @classmethod
    def tear(cls, at: int) -> "Fault":
        """SIGKILL when half of the n-th write is made."""
        return cls(TEAR, at)

    @classmethod
    def fail(cls, at: int, error: str, for_good: bool = False) -> "Fault":
        """The n-th write fails with an error such as ENOSPC, or all from there on."""
        return cls(FAIL_FROM_HERE if for_good else FAIL, at, getattr(errno, error))


@dataclass(frozen=True)
class Ended:
    """A process that has ended: exit code (or minus a signal), output, and what it wrote below the root."""

    code: int
    out: str
    err: str
    operations: list[str] = field(default_factory=list)
    count: int = 0
    around: int = 0
    fired: int = 0

    @property
    def value(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)


class Forks:
    """Starts calls of the command line by forking a server that has imported everything."""

    def __init__(self, library: Path, room: Path) -> None:
        self.room, self._calls = room, 0
        command = [sys.executable, str(HERE / "fork_server.py"), str(library)]
        self._server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ENVIRONMENT,
            cwd=room,
        )
        self.threads = self._answer()["threads"]

    def run(self, root: Path, *arguments: Any, seconds: float = 60, **how: Any) -> Ended:
        """Call and wait."""
        return self.wait(self.start(root, *arguments, **how), seconds)

    def start(
        self,
        root: Path,
        *arguments: Any,
        fault: Fault | None = None,
        script: Path | None = None,
        text: str = "",
        environment: dict[str, str] | None = None,
    ) -> tuple[int, Path]:
        """Call with ``--workspace root`` and ``text`` on standard input; return pid and place of the output.

        Faults strike below ``root``, or below the directory that it shares with a :data:`SCRATCH`.
        """
        self._calls += 1
        output = self.room / f"call-{self._calls}"
        Path(f"{output}.in").write_text(text)
        scratch = root.parent / SCRATCH
        watched = root.parent if scratch.exists() else root
        order: dict[str, Any] = {
            "arguments": [*map(str, arguments), "--workspace", str(root)],
            "output": str(output),
            "directory": str(self.room),
            "script": script and str(script),
            "environment": {"TMPDIR": str(scratch if scratch.exists() else self.room)} | (environment or {}),
        }
        if fault:
            journal = Path(f"{output}.journal")
            with journal.open("wb") as file:
                file.truncate(_HEAD.size + 8192 * _OPERATION.size)
            order["fault"] = {"root": str(watched), "journal": str(journal)} | vars(fault)
        return self._ask({"start": order})["pid"], output

    def wait(self, started: tuple[int, Path], seconds: float = 60) -> Ended:
        """End of a process that :meth:`start` returned; one that takes too long is killed and is an error."""
        pid, output = started
        answer = self._ask({"wait": {"pid": pid, "seconds": seconds}})
        ended = Ended(answer["code"], *(_text(output, name) for name in ("out", "err")), **_journal(output))
        for name in ("in", "out", "err", "journal"):
            Path(f"{output}.{name}").unlink(missing_ok=True)
        assert not answer["late"], f"hung for {seconds} s: {ended}"
        return ended

    def kill(self, started: tuple[int, Path]) -> None:
        """SIGKILL a process that :meth:`start` returned, unless it has ended."""
        os.kill(started[0], signal.SIGKILL)  # until it is waited for, its number is nobody else's

    def close(self) -> None:
        """End the server."""
        self._server.stdin.close()
        self._server.wait(30)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        print(json.dumps(order), file=self._server.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._server.stdout.readline()
        assert line, "the fork server has died; its last words are above"
        return json.loads(line)


def compiled(directory: Path) -> Path:
    """Compile ``faults.c``; raise OSError where that cannot be done, or the filter cannot be installed."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise OSError(_NO_COMPILER)
    library = directory / "faults.so"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, HERE / "faults.c"]
    subprocess.run(command, check=True)
    if not _installs(library):
        raise OSError(_NO_FILTER)
    return library


def _installs(library: Path) -> bool:
    script = (
        "import ctypes, sys; faults = ctypes.CDLL(sys.argv[1]);"
        "journal = ctypes.create_string_buffer(faults.faults_journal_size());"
        "sys.exit(faults.faults_arm(b'/nowhere', journal, 0, ctypes.c_uint64(0), 0))"
    )
    return subprocess.run([sys.executable, "-c", script, str(library)], check=False).returncode == 0


def room() -> Path:
    """New directory, in memory where there is such a place: flushing to a disk takes most of the time."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="reliability-", dir=memory if os.access(memory, os.W_OK) else None))


def _text(output: Path, name: str) -> str:
    return Path(f"{output}.{name}").read_text(errors="replace")


def _journal(output: Path) -> dict[str, Any]:
    path = Path(f"{output}.journal")
    if not path.exists():
        return {}
    content = path.read_bytes()
    count, around, fired = _HEAD.unpack_from(content)
    seen = _OPERATION.iter_unpack(content[_HEAD.size : _HEAD.size + min(count, 8192) * _OPERATION.size])
    operations = [f"{NAMES.get(call, call)} {path.split(bytes(1))[0].decode()}" for call, path in seen]
    return {"count": count, "around": around, "fired": fired, "operations": operations}
