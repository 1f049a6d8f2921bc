"""What the documentation says holds: its Python runs, its links lead somewhere, its targets exist.

A block of Python whose first line is ``# not run`` is left out. The blocks of one file run in their
order as one program, in an empty directory.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = "# not run"

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MAKE = re.compile(r"(?:^|`)make ([a-z][\w-]*)", re.MULTILINE)
_TARGET = re.compile(r"^([a-z][\w-]*):(?!=)", re.MULTILINE)


def python_blocks(text):
    """Python code of a document, block by block."""
    blocks = [code for language, code in _FENCE.findall(text) if language == "python"]
    return [code for code in blocks if not code.startswith(NOT_RUN)]


def links(text):
    """Relative links outside of code: (file, heading), either of which may be empty."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    targets = [link for link in _LINK.findall(prose) if not re.match(r"[a-z]+:", link)]
    return [(target.partition("#")[0], target.partition("#")[2]) for target in targets]


def anchors(text):
    """What GitHub calls the headings of a document."""
    titles = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _with_python():
    return [each for each in DOCUMENTS if python_blocks(each.read_text())]


@pytest.mark.slow
@pytest.mark.parametrize("document", _with_python(), ids=lambda each: each.name)
def test_python_runs_as_written(document, tmp_path):
    program = "\n\n".join(python_blocks(document.read_text()))
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert result.returncode == 0, result.stderr[-3000:]


def test_the_readme_has_python_to_run():
    assert DOCUMENTS[0] in _with_python()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_relative_links_lead_to_files_and_headings_that_exist(document):
    broken = []
    for file, heading in links(document.read_text()):
        target = document.parent / file if file else document
        if not target.exists() or (heading and heading not in anchors(target.read_text())):
            broken.append(f"{file}#{heading}")
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_links_stay_inside_the_repository(document):
    outside = [
        file
        for file, _ in links(document.read_text())
        if not (document.parent / file).resolve().is_relative_to(ROOT)
    ]
    assert outside == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_every_make_target_named_exists(document):
    targets = _TARGET.findall((ROOT / "Makefile").read_text())
    assert set(_MAKE.findall(document.read_text())) - set(targets) == set()


def test_the_readme_names_the_commands_to_start_with():
    assert {"demo", "test"} <= set(_MAKE.findall(DOCUMENTS[0].read_text()))


def test_every_document_is_reached_from_the_readme():
    linked = {(ROOT / file).resolve() for file, _ in links(DOCUMENTS[0].read_text()) if file}
    assert set(DOCUMENTS[1:]) - linked == set()


# The collectors themselves, on a document whose content is known

SAMPLE = """# A title, with `code`

`make demo` and [a link](docs/there.md), ![a picture](gone.png "with title"), [web](https://example.org),
[a heading](#a-title-with-code), `[not](a-link.md)`.

```python
one = 1
```

```python
# not run
two = one +
```

```
make absent
[neither](here.md)
```

```python title=x
assert one == 1
```
"""


def test_blocks_come_in_order_without_those_not_to_be_run():
    assert python_blocks(SAMPLE) == ["one = 1\n", "assert one == 1\n"]


def test_links_are_relative_ones_outside_of_code():
    assert links(SAMPLE) == [("docs/there.md", ""), ("gone.png", ""), ("", "a-title-with-code")]


def test_headings_are_named_as_on_github():
    assert anchors(SAMPLE) == {"a-title-with-code"}


def test_make_targets_are_found_in_text_and_in_blocks():
    assert _MAKE.findall(SAMPLE) == ["demo", "absent"]
    assert _TARGET.findall("RUN := x\n.PHONY: a\ndemo: b\n\ttouch\ntest:\n") == ["demo", "test"]
