"""``recsys-unlearn train``: fit, evaluate, publish a version."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

from recsys_unlearn.cli.command import command
from recsys_unlearn.cli.output import durations, facts, seconds, show
from recsys_unlearn.cli.progress import progress_bars
from recsys_unlearn.recommenders.options import FactorizationOptions

HELP = {
    "dim": "Length of an embedding vector.",
    "similarity": "Cosine over the temperature, or the plain inner product.",
    "temperature": "What the cosine is divided by.",
    "loss": "What is minimised.",
    "negatives": "Items drawn for each batch to rank below the positives.",
    "regularization": "Weight of the vectors' squared lengths, for dot.",
    "optimizer": "Dense Adam, or row-wise Adagrad fused into the backward pass.",
    "learning_rate": "Step size.",
    "batch_size": "Interactions in a batch.",
    "epochs": "Most passes over the data.",
    "patience": "Stop after so many evaluations without a better Recall@20.",
    "evaluate_every": "Epochs between two evaluations.",
    "steps_per_epoch": "Batches in an epoch; as many as --batch-size asks for.",
    "seed": "Equal seed and data give the same bytes.",
}
EXAMPLES = """
recsys-unlearn train --workspace shop
recsys-unlearn train --dim 128 --epochs 40 --seed 1
recsys-unlearn train --config train.yaml --learning-rate 0.005
"""


def _with_hyper_parameters(function: Any) -> Any:
    kinds = get_type_hints(FactorizationOptions)
    for field in reversed(dataclasses.fields(FactorizationOptions)):
        function = _option(field.name, kinds[field.name], field.default)(function)
    return function


def _option(name: str, kind: Any, default: Any) -> Callable[[Any], Any]:
    # No default is given to click: what is not typed must not win over the configuration file.
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    type_ = click.Choice(choices) if choices else next(iter(get_args(kind)), kind)  # the int of int | None
    shown = "" if default is None else f" [{default}]"
    return click.option("--" + name.replace("_", "-"), name, type=type_, help=HELP.get(name, "") + shown)


@command(EXAMPLES)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML with the options below, by their names with underscores; the command line wins.",
)
@_with_hyper_parameters
def train_command(workspace: Path, as_json: bool, config: Path | None, **given: Any) -> None:
    """Train a version, evaluate it and publish it in MLflow.

    The first version, and later one that is about as good, becomes the champion: the one that
    `recommend` answers from.
    """
    from recsys_unlearn.config import make_options
    from recsys_unlearn.workflows.train import train
    from recsys_unlearn.workspace import Workspace

    typed = {name: value for name, value in given.items() if value is not None}
    options = make_options(FactorizationOptions, config, **typed)
    with progress_bars(as_json) as progress:
        outcome = train(Workspace(workspace), options, progress).as_dict()
    show(outcome, as_json, lambda: _parts(outcome))


def _parts(outcome: dict[str, Any]) -> Iterator[Any]:
    serving = "it is the champion" if outcome["champion"] else "the champion stays as it was"
    yield f"Version {outcome['version']} trained in {seconds(outcome['seconds']['total'])}; {serving}."
    counts = {name: outcome[name] for name in ("users", "items", "interactions", "epochs")}
    yield facts(counts | outcome["metrics"] | {"time": durations(outcome["seconds"])})
    yield "Next: recsys-unlearn recommend --user ID"
