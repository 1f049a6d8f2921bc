"""The ledger after a kill at any of its writes, and on a disk that refuses them."""

import errno
import multiprocessing
import os
import time
from io import FileIO
from pathlib import Path

import pytest

from recsys_unlearn import durable
from recsys_unlearn.durable import TEMPORARY
from recsys_unlearn.erasure import ledger as module
from recsys_unlearn.erasure.ledger import FILE, HEAD_FILE, Ledger
from recsys_unlearn.errors import LedgerError

BODIES = [("planned", {"number": number}) for number in range(6)]


@pytest.fixture
def before(ledger):
    """Write three entries; return how the two files looked then."""
    ledger.append_all(BODIES[:3])
    return files(ledger.directory)


def files(directory):
    return {name: (directory / name).read_bytes() for name in (FILE, HEAD_FILE)}


def put(directory, lines, head):
    (directory / FILE).write_bytes(lines)
    (directory / HEAD_FILE).write_bytes(head)


def numbers(entries):
    return [entry.body["number"] for entry in entries]


@pytest.mark.parametrize("added", [1, 3])
def test_after_a_kill_at_any_byte_readers_see_whole_entries_and_the_next_writer_mends(
    directory, key, clock, ledger, before, added
):
    """States that the disk passes through: the line in pieces, above all at its ends; then the head."""
    ledger.append_all(BODIES[3 : 3 + added])
    after = files(directory)
    old, new = before[FILE], after[FILE]
    ends = [place + by for place in range(len(old) - 1, len(new)) if new[place] == 10 for by in (0, 1, 2)]
    lengths = sorted({*ends, *range(len(old), len(new), 31)} - {len(old) - 1, len(new) + 1})
    states = [(new[:length], before[HEAD_FILE]) for length in lengths]
    for lines, head in [*states, (new, after[HEAD_FILE])]:
        put(directory, lines, head)
        whole = lines.count(b"\n")
        fresh = Ledger(directory, key, clock)
        assert numbers(fresh.entries()) == list(range(whole))
        assert files(directory) == {FILE: lines, HEAD_FILE: head}  # a reader mends nothing
        fresh.append_all(BODIES[whole : 3 + added])
        assert files(directory) == after


def test_an_empty_append_mends_too(directory, key, clock, ledger, before):
    put(directory, before[FILE] + b'{"at":', before[HEAD_FILE])
    Ledger(directory, key, clock).append_all([])
    assert files(directory) == before


def test_the_first_entry_is_no_exception(directory, key, clock, ledger):
    """The head of no entries comes before the first line: a ledger without a head is never a crash."""
    ledger.append(*BODIES[0])
    after = files(directory)
    (directory / HEAD_FILE).unlink()
    (directory / FILE).write_bytes(b"")
    assert Ledger(directory, key, clock).entries() == []
    Ledger(directory, key, clock).append(*BODIES[0])
    assert files(directory) == after


def _die(at, directory, key, clock, counts):
    """Append, and die after ``at`` steps of it, with nothing closed."""
    left = iter(range(at, -1, -1))

    def step():
        counts.value += 1
        if next(left) == 0:
            os._exit(9)

    class Dying(FileIO):
        def write(self, data):
            step()
            written = super().write(data[: len(data) // 2])
            step()
            return written + super().write(data[written:])

        def truncate(self, size=None):
            step()
            return super().truncate(size)

    module.FileIO = Dying
    flush, replace, put_down = os.fsync, Path.replace, Path.write_bytes
    os.fsync = lambda descriptor: (step(), flush(descriptor))
    Path.replace = lambda self, target: (step(), replace(self, target))
    Path.write_bytes = lambda self, data: (step(), put_down(self, data), step())
    Ledger(directory, key, clock).append(*BODIES[3])
    counts.value = -1
    os._exit(0)


def test_a_kill_at_every_step_loses_nothing_that_was_there(directory, key, clock, ledger, before):
    """A child is killed before its first step, its second, and so on, until it reaches the end."""
    context = multiprocessing.get_context("fork")
    ledger.append(*BODIES[3])
    after, at, seen = files(directory), 0, set()
    while True:
        put(directory, **{"lines": before[FILE], "head": before[HEAD_FILE]})
        counts = context.Value("i", 0)
        child = context.Process(target=_die, args=(at, directory, key, clock, counts))
        child.start()
        child.join()
        entries = Ledger(directory, key, clock).entries()
        seen.add(len(entries))
        assert numbers(entries) in ([0, 1, 2], [0, 1, 2, 3])
        Ledger(directory, key, clock).append_all(BODIES[len(entries) : 4])
        assert files(directory) == after
        if counts.value == -1:
            break
        at += 1
    assert at >= 8
    assert seen == {3, 4}


def test_what_was_returned_is_flushed_in_the_right_order(directory, ledger, before, monkeypatch):
    """The line before the head: else a power cut leaves a head that promises what is not there."""
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda _: flushed.append(files(directory)))
    ledger.append(*BODIES[3])
    after = files(directory)
    line_only = {FILE: after[FILE], HEAD_FILE: before[HEAD_FILE]}
    assert flushed == [line_only, line_only, after]  # the ledger, the head's temporary, the directory


def test_a_torn_line_is_cut_off_on_the_disk_before_another_is_written(directory, ledger, before, monkeypatch):
    """Else a power cut could leave the new line behind the torn one's rest."""
    (directory / FILE).write_bytes(before[FILE] + b'{"at":')
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda _: flushed.append((directory / FILE).read_bytes()))
    ledger.append(*BODIES[3])
    assert flushed[0] == before[FILE]
    assert flushed[1] == (directory / FILE).read_bytes()


# --- a disk that refuses -------------------------------------------------------------------------


class Full(FileIO):
    """Takes a few bytes, and is full then."""

    room = 20

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = super().write(data[: self.room])
        type(self).room -= taken
        return taken


def test_a_full_disk_is_named_and_leaves_the_ledger_as_it_was(
    directory, key, clock, ledger, before, monkeypatch
):
    monkeypatch.setattr(Full, "room", 20)
    with monkeypatch.context() as full:
        full.setattr(module, "FileIO", Full)
        with pytest.raises(
            LedgerError, match=r"cannot be written \(No space left on device\): free or mend the"
        ):
            ledger.append(*BODIES[3])
        assert numbers(ledger.entries()) == [0, 1, 2]
        assert len((directory / FILE).read_bytes()) == len(before[FILE]) + 20  # the torn beginning
    assert numbers(Ledger(directory, key, clock).entries()) == [0, 1, 2]
    assert ledger.append(*BODIES[3]).sequence == 3
    assert numbers(Ledger(directory, key, clock).entries()) == [0, 1, 2, 3]


def test_the_same_lock_can_be_used_after_an_error(ledger, before, monkeypatch):
    monkeypatch.setattr(Full, "room", 20)
    with monkeypatch.context() as full:
        full.setattr(module, "FileIO", Full)
        with ledger.locked():
            with pytest.raises(LedgerError, match="No space left"):
                ledger.append(*BODIES[3])
            monkeypatch.setattr(Full, "room", 10_000)
            ledger.append(*BODIES[3])
    assert numbers(ledger.entries()) == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("step", range(3))
def test_an_error_at_any_flush_is_named_and_can_be_mended(
    directory, key, clock, ledger, before, monkeypatch, step, number
):
    flush, left = os.fsync, iter(range(step, -1, -1))

    def refuse(descriptor):
        if next(left, 1) == 0:
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(LedgerError, match=rf"cannot be written \({os.strerror(number)}\)"):
            ledger.append(*BODIES[3])
    entries = ledger.entries()  # the line may have made it: then it counts
    assert numbers(entries) == [0, 1, 2, 3]
    assert not list(directory.glob(f"{TEMPORARY}*"))
    ledger.append(*BODIES[4])
    assert numbers(Ledger(directory, key, clock).entries()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_a_head_that_cannot_be_written_is_caught_up(
    directory, key, clock, ledger, before, monkeypatch, method
):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Path, method, refuse)
        with pytest.raises(LedgerError, match="Input/output error"):
            ledger.append(*BODIES[3])
    assert (directory / HEAD_FILE).read_bytes() == before[HEAD_FILE]
    assert numbers(ledger.entries()) == [0, 1, 2, 3]
    ledger.append_all([])
    assert (directory / HEAD_FILE).read_bytes() == ledger._chain.head(4)


def test_a_directory_that_cannot_be_written_is_named(tmp_path, key):
    (tmp_path / "data").touch()
    with pytest.raises(LedgerError, match=r"ledger\.jsonl cannot be written \(Not a directory\)"):
        Ledger(tmp_path / "data" / "erasure", key).append("planned", {})
    (tmp_path / "taken" / FILE).mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"ledger\.jsonl cannot be written \(Is a directory\)"):
        Ledger(tmp_path / "taken", key).append("planned", {})


def test_an_error_without_a_number_is_named_too(ledger, before, monkeypatch):
    def refuse(*_):
        raise OSError("no such luck")

    with monkeypatch.context() as broken:
        broken.setattr(durable, "sync", refuse)
        with pytest.raises(LedgerError, match=r"cannot be written \(no such luck\)"):
            ledger.append(*BODIES[3])
        broken.setattr(Path, "read_bytes", refuse)
        with pytest.raises(LedgerError, match="cannot be read: no such luck"):
            ledger.entries()


# --- others at the same time ---------------------------------------------------------------------


def _append_ten(directory, key, clock, barrier):
    mine = Ledger(directory, key, clock)
    barrier.wait()
    for number in range(10):
        mine.append("planned", {"number": number})
        mine.entries()


def test_processes_that_write_at_once_write_one_after_the_other(directory, key, clock):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    workers = [context.Process(target=_append_ten, args=(directory, key, clock, barrier)) for _ in range(4)]
    for worker in workers:
        worker.start()
    reader = Ledger(directory, key, clock)
    while any(worker.is_alive() for worker in workers):
        assert len(reader.entries()) <= 40  # and never an error
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(numbers(Ledger(directory, key, clock).entries())) == sorted(list(range(10)) * 4)
    assert sorted(each.name for each in directory.iterdir()) == [HEAD_FILE, FILE]


def test_a_reader_takes_head_and_ledger_of_one_moment(ledger, before, key, clock, directory, monkeypatch):
    """Another process appends after this one has read the ledger, and before it reads the head again."""
    reader, other = Ledger(directory, key, clock), Ledger(directory, key, clock)
    read, reads = Path.read_bytes, []

    def meanwhile(path):
        content = read(path)
        if path.name == FILE and not reads:
            reads.append(path)
            other.append(*BODIES[3])
        return content

    monkeypatch.setattr(Path, "read_bytes", meanwhile)
    assert numbers(reader.entries()) == [0, 1, 2, 3]


def _hold(directory, key, clock, held, enough):
    with Ledger(directory, key, clock).locked():
        held.set()
        enough.wait(60)


def test_who_holds_the_lock_keeps_writers_out_and_readers_not(directory, key, clock, ledger, before):
    context = multiprocessing.get_context("fork")
    held, enough = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(directory, key, clock, held, enough))
    holder.start()
    held.wait(60)
    writer = context.Process(target=Ledger(directory, key, clock).append, args=BODIES[3])
    writer.start()
    time.sleep(0.3)
    assert writer.is_alive()
    assert len(ledger.entries()) == 3
    enough.set()
    writer.join(60)
    holder.join(60)
    assert len(ledger.entries()) == 4


def test_the_lock_of_a_dead_process_is_free(directory, key, clock, ledger, before):
    context = multiprocessing.get_context("fork")
    held, never = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(directory, key, clock, held, never))
    holder.start()
    held.wait(60)
    holder.kill()
    holder.join(60)
    assert ledger.append(*BODIES[3]).sequence == 3


def test_a_lock_may_be_nested_and_is_given_back(ledger, before, directory, key, clock):
    with ledger.locked() as outer, ledger.locked() as inner:
        assert inner is outer
        ledger.append(*BODIES[3])
    assert outer.closed
    assert ledger.append(*BODIES[4]).sequence == 4
    with pytest.raises(RuntimeError, match="stop"), ledger.locked():
        raise RuntimeError("stop")
    assert Ledger(directory, key, clock).append(*BODIES[5]).sequence == 5
