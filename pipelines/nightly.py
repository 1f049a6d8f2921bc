"""Drain the queue of deletion requests: for cron, without anybody watching.

python pipelines/nightly.py --workspace shop --report reports/

Carries on what a crash has left, forgets all queued users in one batch, audits, trains again when the
deletion budget is spent or the audit fails, promotes, purges, and writes a receipt for each request.
Running it twice, at the same time or one after the other, is safe. Exit codes are those of
`recsys-unlearn`; 6 means that another process is at work.
"""

import argparse
import json
import sys
from pathlib import Path

from recsys_unlearn.cli.environment import prepare

prepare()


from recsys_unlearn import durable
from recsys_unlearn.cli.main import report as reported
from recsys_unlearn.config import make_options
from recsys_unlearn.workflows.nightly import NightlyOptions, nightly
from recsys_unlearn.workspace import Workspace


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(), help="directory with data/ and mlruns/")
    parser.add_argument("--config", type=Path, help="YAML: method, deletion_budget, keep, fall_back")
    parser.add_argument("--report", type=Path, metavar="DIR", help="where the report goes, as JSON and text")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for another process")
    arguments = parser.parse_args()

    options = make_options(NightlyOptions, arguments.config)
    night = nightly(Workspace(arguments.workspace), options, wait=arguments.wait)

    # One report for programs, one for people; what failed is in both, and in the exit code.
    texts = {".json": json.dumps(night.as_dict(), indent=2) + "\n", ".txt": night.as_text()}
    print(texts[".json" if arguments.json else ".txt"], end="")
    for suffix, text in texts.items() if arguments.report else ():
        name = night.started_at.replace(":", "") + suffix
        with durable.replacing(arguments.report / name) as temporary:
            temporary.write_text(text)
    return night.exit_code


if __name__ == "__main__":
    sys.exit(reported(main, "--json" in sys.argv))
