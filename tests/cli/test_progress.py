import io
import sys

from recsys_unlearn.cli.progress import progress_bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen := Terminal())  # in the test: pytest resets it before
    return screen
    return screen


def test_a_terminal_gets_a_bar_for_each_thing_being_done(monkeypatch):
    terminal = _terminal(monkeypatch)
    with progress_bars(as_json=False) as progress:
        progress("training", 1, 4)
        progress("training", 4, 4)
        progress("ranking", 1, 2)
    assert "training" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert "ranking" in terminal.getvalue()


def test_json_gets_none(monkeypatch):
    terminal = _terminal(monkeypatch)
    with progress_bars(as_json=True) as progress:
        assert progress is None
    assert terminal.getvalue() == ""


def test_a_file_gets_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bars(as_json=False) as progress:
        assert progress is None
