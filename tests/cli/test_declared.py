import dataclasses
import types
from typing import Literal, get_args, get_origin, get_type_hints

from recsys_unlearn.cli import declared
from recsys_unlearn.recommenders.factorization import FactorizationOptions
from recsys_unlearn.unlearning.registry import METHODS


def test_the_fields_that_are_read_are_the_fields_that_are_imported():
    hints = get_type_hints(FactorizationOptions)
    imported = [
        declared.Field(field.name, *_type_and_choices(hints[field.name]), field.default)
        for field in dataclasses.fields(FactorizationOptions)
    ]
    assert declared.fields("recommenders.factorization", "FactorizationOptions") == imported


def test_the_methods_that_are_read_are_those_that_may_serve_a_deletion():
    assert declared.unlearner_names() == sorted(METHODS)


def _type_and_choices(hint):
    if get_origin(hint) is Literal:
        return str, get_args(hint)
    if get_origin(hint) is types.UnionType:
        return get_args(hint)[0], ()
    return hint, ()
