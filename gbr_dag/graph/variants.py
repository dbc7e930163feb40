"""Swappable nodes: which functions a config picks, and what is said when it picks none."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from gbr_dag.errors import GraphError, UnknownNameError
from gbr_dag.graph.checks import unknown

Function = Callable[..., Any]


@dataclass(frozen=True)
class Condition:
    """One ``@config`` of a function.

    ``values`` maps each key it reads to the values it names, or to None where any value may do; it is None itself
    when the decorator hides what it reads (``@config(lambda ...)``).
    """

    matches: Callable[[Mapping[str, Any]], bool]
    values: Optional[Mapping[str, Optional[tuple[Any, ...]]]]


@dataclass(frozen=True)
class Variant:
    """A function, the node it is for and the conditions under which it is part of the graph."""

    node: str
    function: Function
    module: str
    place: str
    conditions: tuple[Condition, ...]

    def is_picked(self, config: Mapping[str, Any]) -> bool:
        """Whether the config picks this function."""
        return all(condition.matches(config) for condition in self.conditions)

    def config_keys(self) -> list[str]:
        """Config keys that decide about it, as far as they can be seen."""
        return list(dict.fromkeys(key for condition in self.conditions for key in condition.values or ()))

    def allows(self, key: str, value: Any) -> bool:
        """Whether the conditions on one key, taken alone, hold for a value."""
        named = [condition.values[key] for condition in self.conditions if condition.values and key in condition.values]
        return all(values is None or value in values for values in named)

    def named_values(self, key: str) -> list[Any]:
        """Values of a key that the conditions name."""
        found = (condition.values.get(key) for condition in self.conditions if condition.values)
        return [value for values in found if values is not None for value in values]


@dataclass(frozen=True)
class Swap:
    """A node with the variants that it has."""

    node: str
    variants: tuple[Variant, ...]

    def config_keys(self) -> list[str]:
        """Config keys that choose between the variants."""
        return list(dict.fromkeys(key for variant in self.variants for key in variant.config_keys()))

    def is_missing_pair(self, config: Mapping[str, Any]) -> bool:
        """Whether each value is known to the node, but not all of them together."""
        keys = self.config_keys()
        return len(keys) > 1 and all(
            any(config.get(key) in variant.named_values(key) for variant in self.variants) for key in keys
        )

    def explanation(self, config: Mapping[str, Any], subject: str) -> str:
        """Say why the config picks no variant and which values would."""
        keys = [key for key in self.config_keys() if key in config]
        settings = ", ".join(f"{key}={config[key]!r}" for key in keys)
        text = f"{subject} has no variant for {settings or 'this config'}"
        hints = []
        for key in reversed(keys):
            others = [other for other in keys if other != key]
            able = [
                value
                for variant in self.variants
                if all(variant.allows(other, config[other]) for other in others)
                for value in variant.named_values(key)
            ]
            if able:
                condition = ", ".join(f"{other}={config[other]!r}" for other in others)
                hints.append(f"{_plural(key)} that can{' with ' + condition if condition else ''}: {_choices(able)}")
        absent = [key for key in self.config_keys() if key not in config]
        hints += [f"config key {key!r} is missing, {_plural(key)}: {_choices(self.values(key))}" for key in absent]
        return "; ".join([text, *hints])

    def values(self, key: str) -> list[Any]:
        """Values of a key that any of the variants names."""
        return [value for variant in self.variants for value in variant.named_values(key)]


def conditions_of(resolvers: Iterable[Any], exclude: type) -> tuple[Condition, ...]:
    """Read the conditions out of Hamilton's decorators."""
    conditions = []
    for resolver in resolvers:
        if isinstance(resolver, exclude):
            conditions.append(Condition(lambda _: False, {}))
        elif hasattr(resolver, "does_resolve"):
            conditions.append(_condition(resolver))
        # others (Hamilton's delayed decorators) decide nothing before the graph is built
    return tuple(conditions)


def _condition(resolver: Any) -> Condition:
    keys = resolver.optional_config()
    inner = getattr(resolver.does_resolve, "resolves", resolver.does_resolve)

    def matches(config: Mapping[str, Any]) -> bool:
        known = dict(config) if keys is None else {key: config.get(key) for key in keys}
        return bool(resolver.does_resolve(known))

    if keys is None:
        return Condition(matches, None)
    values: dict[str, Optional[tuple[Any, ...]]] = dict.fromkeys(keys)
    # Hamilton keeps the arguments of config.when and when_in in the closure of the function that decides
    seen = inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
    name = getattr(inner, "__qualname__", "")
    if name.startswith("ConfigResolver.when.") and "key_value_pairs" in seen:
        values.update({key: (value,) for key, value in seen["key_value_pairs"].items()})
    elif name.startswith("ConfigResolver.when_in.") and "key_value_group_pairs" in seen:
        values.update({key: tuple(group) for key, group in seen["key_value_group_pairs"].items()})
    return Condition(matches, values)


def check_config(variants: Sequence[Variant], config: Mapping[str, Any], arguments: Iterable[str]) -> None:
    """Refuse keys that no function reads and values that no function has.

    Parameters
    ----------
    variants : sequence of Variant
        All functions of the modules.
    config : mapping
        What the user gave.
    arguments : iterable of str
        Names of arguments of the functions: the config may give them too.
    """
    conditions = [condition for variant in variants for condition in variant.conditions]
    hidden = any(condition.values is None for condition in conditions)
    choices: dict[str, Optional[list[Any]]] = {}
    for condition in conditions:
        for key, values in (condition.values or {}).items():
            named = choices.setdefault(key, [])
            # None stands for when_not and the like: any value may do
            choices[key] = None if values is None or named is None else [*named, *values]
    known_keys = {*choices, *arguments}
    for key, value in config.items():
        if key not in known_keys and not hidden:
            raise UnknownNameError(unknown("config key", key, known_keys, f"keys: {', '.join(sorted(choices))}"))
        named = choices.get(key)
        if named is not None and value not in named:
            text = unknown(key, value, map(str, named), f"{_plural(key)}: {_choices(named)}")
            raise UnknownNameError(text)


def check_swaps(swaps: Iterable[Swap], config: Mapping[str, Any], needed: Iterable[str]) -> None:
    """Refuse a config that leaves a node without a function although it should have one.

    That is so when a key is missing which only chooses between variants, or when the node knows every value but not
    together. Nodes that simply do not exist under a value are left for the requests that need them.
    """
    wanted = set(needed)
    for swap in swaps:
        if swap.node not in wanted:
            continue
        missing = [key for key in swap.config_keys() if key not in config]
        if len(swap.variants) > 1 and missing:
            key = missing[0]
            message = (
                f"config key {key!r} is missing: it chooses the function of {swap.node!r};"
                f" {_plural(key)}: {_choices(swap.values(key))}"
            )
            raise GraphError(message)
        if not missing and swap.is_missing_pair(config):
            raise UnknownNameError(swap.explanation(config, f"node {swap.node!r}"))


def _plural(key: str) -> str:
    return f"values of {key}" if key.endswith("s") else f"{key}s"


def _choices(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(value) for value in values}))
