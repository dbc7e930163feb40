"""The links of a chain as the caller gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gbr_dag.drivers.arguments import check_choice
from gbr_dag.drivers.features import ModelDriver
from gbr_dag.drivers.fit_links import GroupFit
from gbr_dag.drivers.fit_nodes import FitLink
from gbr_dag.drivers.model_links import ModelLink
from gbr_dag.errors import DuplicateNameError, InputError
from gbr_dag.features.chain import SEPARATOR, Link, On


def checked_links(links: Any) -> list[Link]:
    """Models and fits as links, in order.

    Raises
    ------
    InputError
        If there are none, something else is among them, or names or places break their rule.
    DuplicateNameError
        If two have one name.
    """
    ordered = _ordered([_link(link) for link in _checked_list(links)])
    _check_names(ordered)
    return ordered


def checked_on(on: Any, n_links: int) -> tuple[On, ...]:
    """What each link but the first works on.

    Raises
    ------
    InputError
        If a value is unknown, or there is not one per pair of neighbours.
    """
    if isinstance(on, str):
        check_choice("on", on, ("groups", "rows"))
        return (on,) * (n_links - 1)  # type: ignore[return-value]
    steps = tuple(on) if isinstance(on, Iterable) else (on,)
    for step in steps:
        check_choice("on", step, ("groups", "rows"))
    if len(steps) != n_links - 1:
        message = f"on must be 'groups', 'rows' or one of them per pair of neighbours ({n_links - 1}), got {len(steps)}"
        raise InputError(message)
    return steps


def _checked_list(links: Any) -> list[Any]:
    if isinstance(links, (ModelDriver, GroupFit)) or not isinstance(links, Iterable):
        message = f"links must be a list of models and fits, got {links!r}"
        raise InputError(message)
    found = list(links)
    if not found:
        message = "links must hold at least one model or fit, got none"
        raise InputError(message)
    return found


def _link(link: Any) -> Link:
    if isinstance(link, ModelDriver):
        return ModelLink(link)
    if isinstance(link, GroupFit):
        return FitLink(link)
    message = f"links must be ModelDriver, GroupFit or WindowFit, got {type(link).__name__}"
    raise InputError(message)


def _ordered(links: list[Link]) -> list[Link]:
    """Links by their ``seq`` where all have one."""
    lacking = [link.name for link in links if link.seq is None]
    if len(lacking) == len(links):
        return links
    if lacking:
        message = f"seq must be given for all links or for none; {', '.join(map(repr, lacking))} have none"
        raise InputError(message)
    for i, link in enumerate(links):
        if isinstance(link.seq, bool) or not isinstance(link.seq, (int, float)):
            message = f"seq of link {link.name!r} must be a number, got {link.seq!r}"
            raise InputError(message)
        same = [other.name for other in links[:i] if other.seq == link.seq]
        if same:
            message = f"seq must be distinct, links {same[0]!r} and {link.name!r} both have {link.seq}"
            raise InputError(message)
    return sorted(links, key=lambda link: link.seq)


def _check_names(links: Sequence[Link]) -> None:
    seen: set[str] = set()
    for link in links:
        name = link.name
        if not isinstance(name, str) or not name or SEPARATOR in name or name.endswith("_") or name == "output":
            message = (
                f"name of a link must be a text without '{SEPARATOR}' that does not end with '_' and is not 'output':"
                f" results are called model{SEPARATOR}feature; got {name!r}"
            )
            raise InputError(message)
        if name in seen:
            message = f"names of links must be distinct, got {name!r} twice; rename one"
            raise DuplicateNameError(message)
        seen.add(name)
