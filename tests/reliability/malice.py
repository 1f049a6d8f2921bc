"""Code that leaves a mark when it runs, and the promise that it never does."""

import sys

import pytest

CODE = "import pathlib, os\npathlib.Path(os.environ['MALICE']).touch()\n"


class Malice:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return exec, (CODE,)


@pytest.fixture(autouse=True)
def mark(tmp_path, monkeypatch):
    """A file that the prepared code would make; and no module may come from the version."""
    path = tmp_path / "it ran"
    monkeypatch.setenv("MALICE", str(path))
    before = set(sys.modules)
    yield path
    assert not path.exists()
    new = [sys.modules[name] for name in set(sys.modules) - before]
    assert not [each for each in new if "mlruns" in str(getattr(each, "__file__", ""))]
