"""``recsys-unlearn train``: fit, evaluate, publish a version."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

from recsys_unlearn.cli.command import command, wait_option
from recsys_unlearn.cli.output import durations, facts, seconds, show
from recsys_unlearn.cli.progress import progress_bars
from recsys_unlearn.recommenders.registry import DEFAULT, OPTIONS, options_type

HELP = {
    "dim": "Length of an embedding vector.",
    "similarity": "Cosine over the temperature, or the plain inner product.",
    "temperature": "What the cosine is divided by.",
    "loss": "What is minimised.",
    "negatives": "Items drawn to rank below the positives, for each batch (lmf: each positive).",
    "regularization": "Weight of the vectors' squared lengths, for dot; of EASE's diagonal.",
    "optimizer": "Dense Adam, or row-wise Adagrad fused into the backward pass.",
    "precision": "Of the scores in the loss; the tables are float32 either way.",
    "learning_rate": "Step size.",
    "batch_size": "Interactions in a batch.",
    "epochs": "Most passes over the data.",
    "patience": "Stop after so many evaluations without a better Recall@20.",
    "evaluate_every": "Epochs between two evaluations.",
    "steps_per_epoch": "Batches in an epoch; as many as --batch-size asks for.",
    "seed": "Equal seed and data give the same bytes.",
    "confidence": "Weight of a positive against that of the rest.",
    "threads": "Of the engine; above 1, bpr and lmf are not reproducible.",
    "neighbours": "Most similar items that have a weight for each item.",
    "shrinkage": "Discounts similarities that rest on few users.",
    "hidden": "Units of each tower's hidden layer.",
    "layers": "Steps along the graph that are averaged.",
    "dropout": "Share of a history that is hidden from its own reconstruction.",
    "user_exponent": "A user with n items weighs n to the minus this.",
    "history_exponent": "An item of the history that n users have counts n to the minus this.",
    "item_exponent": "An item that n users have scores n to this times as high; chosen on held-out items.",
    "damping": "How much the tastes that everybody shares are held back.",
    "low_pass": "How much each of the main tastes is raised; chosen on held-out items.",
    "sweeps": "Subspace iterations for the main tastes.",
    "shards": "Parts that are trained apart.",
    "partition": "What the parts are cut by.",
    "aggregation": "How the parts' scores become one.",
    "pretraining_epochs": "Of the factorisation that a learned partition is cut by.",
    "attention_steps": "Batches that the attention over the parts is trained for.",
}
EXAMPLES = """
recsys-unlearn train --workspace shop
recsys-unlearn train --dim 128 --epochs 40 --seed 1
recsys-unlearn train --config train.yaml --learning-rate 0.005
recsys-unlearn train --model ease --regularization 300
"""


def _with_hyper_parameters(function: Any) -> Any:
    """Options of all models; which of them a model knows is checked with its configuration."""
    kinds: dict[str, Any] = {}
    defaults: dict[str, dict[str, Any]] = {}
    for model, options in OPTIONS.items():
        kinds = get_type_hints(options) | kinds
        for field in dataclasses.fields(options):
            defaults.setdefault(field.name, {})[model] = field.default
    for name in reversed(defaults):
        function = _option(name, kinds[name], _shown(defaults[name]))(function)
    return function


def _shown(defaults: dict[str, Any]) -> str:
    """Default of an option for the help: one, or each model's."""
    if set(defaults.values()) == {None}:
        return ""
    if len(set(defaults.values())) == 1:
        return f" [{next(iter(defaults.values()))}]"
    return f" [{', '.join(f'{model} {value}' for model, value in defaults.items())}]"


def _option(name: str, kind: Any, shown: str) -> Callable[[Any], Any]:
    # No default is given to click: what is not typed must not win over the configuration file.
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    type_ = click.Choice(choices) if choices else next(iter(get_args(kind)), kind)  # the int of int | None
    return click.option("--" + name.replace("_", "-"), name, type=type_, help=HELP.get(name, "") + shown)


@command(EXAMPLES)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML with the options below, by their names with underscores; the command line wins.",
)
@click.option("--model", type=click.Choice(list(OPTIONS)), help=f"What to train. [{DEFAULT}]")
@_with_hyper_parameters
@wait_option
def train_command(workspace: Path, as_json: bool, config: Path | None, wait: float, **given: Any) -> None:
    """Train a version, evaluate it and publish it in MLflow.

    The first version, and later one that is about as good, becomes the champion: the one that
    `recommend` answers from.
    """
    from recsys_unlearn.config import make_options, read_config
    from recsys_unlearn.workflows.train import train
    from recsys_unlearn.workspace import Workspace

    typed = {name: value for name, value in given.items() if value is not None}
    configured = read_config(config) if config else {}
    model = str(typed.pop("model", configured.get("model", DEFAULT)))
    options = make_options(options_type(model), config, aside=["model"], **typed)
    with progress_bars(as_json) as progress:
        outcome = train(Workspace(workspace), options, progress, wait, model).as_dict()
    show(outcome, as_json, lambda: _parts(outcome))


def _parts(outcome: dict[str, Any]) -> Iterator[Any]:
    serving = "it is the champion" if outcome["champion"] else "the champion stays as it was"
    yield f"Version {outcome['version']} trained in {seconds(outcome['seconds']['total'])}; {serving}."
    counts = {name: outcome[name] for name in ("users", "items", "interactions", "epochs")}
    yield facts(counts | outcome["metrics"] | {"time": durations(outcome["seconds"])})
    if again := outcome["erased_again"]:
        yield f"{again:,} users had been erased before and were in the data again; it is erased again."
        yield "Next: recsys-unlearn resume"
        return
    yield "Next: recsys-unlearn recommend --user ID"
