"""Segments: saved rules over devices and their contacts. Parse, then compile or describe."""

from subscribers.segments.catalogue import DEVICE_AND_CONTACT_FIELDS
from subscribers.segments.compile import Compiled, Compiler, compile_rule
from subscribers.segments.definition import DefinitionError, Understood, parse, referred_to, understand
from subscribers.segments.describe import describe
from subscribers.segments.fields import Catalogue, Field, Operator, Sql, Surroundings
from subscribers.segments.rule import Rule
from subscribers.segments.sets import page
from subscribers.segments.sets import pay_off as sets_pay_off

__all__ = [
    "DEVICE_AND_CONTACT_FIELDS",
    "Catalogue",
    "Compiled",
    "Compiler",
    "DefinitionError",
    "Field",
    "Operator",
    "Rule",
    "Sql",
    "Surroundings",
    "Understood",
    "compile_rule",
    "describe",
    "page",
    "parse",
    "referred_to",
    "sets_pay_off",
    "understand",
]
