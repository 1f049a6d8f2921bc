"""Every file of a workspace searched for what is left of a person.

Looked for are the id in its encodings, the internal row where a file is ordered by rows, the bytes of
the row's vectors, and the set of items. Nothing is opened in place and nothing is changed.

What a search of this kind cannot see: what is compressed or encrypted, apart from parquet (such files
are listed as ``unread``); an id that is neither distinctive (see :mod:`.naming`) nor in a user's field;
and any trace in trained numbers other than the row itself, which only an audit measures.
"""

import mmap
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recsys_unlearn.erasure.contents import Source, Unreadable, findings
from recsys_unlearn.erasure.search import Finding, Search
from recsys_unlearn.erasure.target import Target
from recsys_unlearn.progress import Progress

__all__ = ["Hit", "Residue", "Target", "scan"]

MAPPED_FROM = 1 << 26  # bytes; a smaller file is read, as SQLite shortens its file when it is compacted


@dataclass(frozen=True, order=True)
class Hit:
    """Something of a person in a file.

    Parameters
    ----------
    path
        Relative to the workspace; where the name itself is the hit, its place is taken by ``*``.
    kind
        ``id``, ``row``, ``vector`` or ``items``.
    where
        In words, without what was found.
    target
        Position among the targets.
    """

    path: str
    kind: str
    where: str
    target: int = 0


@dataclass(frozen=True)
class Residue:
    """What a search found.

    Parameters
    ----------
    hits
        One for each file, kind, target and reason; empty if nobody is left.
    unread
        Files that could only be searched as bytes, or not at all, each with the reason.
    """

    hits: list[Hit] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    unread: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it with stable keys, for JSON; names nobody."""
        return asdict(self)


def scan(
    root: Path,
    target: Target | Sequence[Target],
    extra_dirs: Sequence[Path] = (),
    skip: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Residue:
    """Search all files below ``root`` and ``extra_dirs``, and their names.

    Parameters
    ----------
    target
        Whom; several people cost little more than one.
    skip
        Files and directories left out: where the request itself is kept until it is done.
    """
    started, search = time.perf_counter(), Search([target] if isinstance(target, Target) else target)
    root, found = Path(root), _Found()
    tops = [root, *map(Path, extra_dirs)]
    paths = sorted({path for top in tops for path in _walk(top, {each.resolve() for each in skip})})
    for number, path in enumerate(paths):
        found.look_at(path, root, search)
        if progress:
            progress("searching", number + 1, len(paths))
    return Residue(sorted(found.hits), found.files, found.bytes, time.perf_counter() - started, found.unread)


class _Found:
    """The result while it is being made."""

    def __init__(self) -> None:
        self.hits: set[Hit] = set()
        self.unread: list[str] = []
        self.files = self.bytes = 0

    def look_at(self, path: Path, root: Path, search: Search) -> None:
        name = str(path.relative_to(root) if path.is_relative_to(root) else path)
        shown = self._name(name, path, search)
        try:
            self._contents(path, shown, search)
        except FileNotFoundError:  # removed meanwhile by its owner
            return
        except (OSError, Unreadable) as error:
            reason = str(error) if isinstance(error, Unreadable) else error.strerror
            self.unread.append(f"{shown}: {reason}")

    def _name(self, name: str, path: Path, search: Search) -> str:
        """Search the path itself; return it as it can be shown."""
        parts = []
        for part in Path(name).parts:
            found = list(search.in_text(part))
            parts.append("*" if found else part)
            self._add(str(Path(*parts)), [(target, kind, "the name") for target, kind, _ in found])
        return str(Path(*parts))

    def _contents(self, path: Path, shown: str, search: Search) -> None:
        if path.is_symlink():
            self._add(
                shown, [(t, kind, "where it leads") for t, kind, _ in search.in_text(str(path.readlink()))]
            )
        elif path.is_file():
            data = _read(path)
            self.files, self.bytes = self.files + 1, self.bytes + len(data)
            for finding in findings(Source(path, data), search):
                self._add(shown, [finding])

    def _add(self, path: str, found: Sequence[Finding]) -> None:
        seen = {(hit.path, hit.kind, hit.target) for hit in self.hits}
        for target, kind, where in found:
            if (path, kind, target) not in seen:
                self.hits.add(Hit(path, kind, where, target))


def _walk(top: Path, skipped: set[Path]) -> Iterator[Path]:
    """Files and links below ``top``, and empty directories, whose names count too."""
    if top.resolve() in skipped:
        return
    if top.is_symlink() or not top.is_dir():
        yield top
        return
    children = list(top.iterdir())
    if not children:
        yield top
    for child in children:
        yield from _walk(child, skipped)


def _read(path: Path) -> memoryview:
    """Contents; a big file, which nobody shortens while it is being read, is mapped."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < MAPPED_FROM:
            return memoryview(file.read())
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
