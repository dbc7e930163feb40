"""The features of a model, by name."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Optional

from gbr_dag.errors import DuplicateNameError, UnknownNameError
from gbr_dag.features.feature import Feature
from gbr_dag.features.levels import Level
from gbr_dag.graph.checks import unknown

if TYPE_CHECKING:
    import pandas as pd


class FeatureRegistry:
    """Features by name, in the order in which they were registered.

    Examples
    --------
    >>> import gbr_dag
    >>> driver = gbr_dag.ModelDriver({"model_name": "ages", "group_by": "zone"})
    >>> _ = driver.register_filter("age", lambda year_built: 2025 - year_built)
    >>> driver.registry["age"].inputs
    ('year_built',)
    >>> driver.registry.to_frame()[["name", "level", "outputs"]]
      name level outputs
    0  age   row     age
    """

    def __init__(self) -> None:
        self._features: dict[str, Feature] = {}
        self._owners: dict[str, Feature] = {}

    def add(self, feature: Feature, *, replace: bool = False) -> None:
        """Add a feature.

        Parameters
        ----------
        feature : Feature
            A function with its level, arguments and outputs.
        replace : bool, default False
            It takes the place of the one that has its name, if there is one.

        Raises
        ------
        DuplicateNameError
            If another has its name, or yields one of its outputs. The registry is as before then.
        """
        if replace:
            self.extend([feature], replace=True)
            return
        if feature.name in self._features:
            other = self._features[feature.name]
            message = (
                f"feature {feature.name!r} is there twice: {other.place} and {feature.place}; rename one, or"
                " register it anew with replace=True"
            )
            raise DuplicateNameError(message)
        for output in feature.outputs:
            if output in self._owners:
                other = self._owners[output]
                message = (
                    f"output {output!r} is yielded twice: by {other.label} and {feature.label}; give one of them other"
                    " outputs=[...]"
                )
                raise DuplicateNameError(message)
        self._features[feature.name] = feature
        self._owners.update(dict.fromkeys(feature.outputs, feature))

    def extend(self, features: Iterable[Feature], *, replace: bool = False) -> None:
        """Add several features: all of them, or none if one is refused.

        Parameters
        ----------
        features : iterable of Feature
            Each as for :meth:`add`; no two of one name.
        replace : bool, default False
            They take the places of those that have their names.
        """
        new = list(features)
        replaced = {feature.name for feature in new} if replace else set()
        trial = FeatureRegistry()
        trial._features = {name: own for name, own in self._features.items() if name not in replaced}
        trial._owners = {output: own for output, own in self._owners.items() if own.name not in replaced}
        for feature in new:
            trial.add(feature)
        if replaced:
            in_order = [trial[name] for name in dict.fromkeys((*self._features, *trial._features))]
            trial._features = {feature.name: feature for feature in in_order}
            trial._owners = {output: feature for feature in in_order for output in feature.outputs}
        self._features, self._owners = trial._features, trial._owners

    def find(self, *, tag: Optional[str] = None, level: Optional[Level] = None) -> list[Feature]:
        """Features that have a tag, are of a level, or both, in the order in which they were registered.

        Parameters
        ----------
        tag : str, optional
            One that some feature has; default any.
        level : {"row", "group"}, optional
            Default both.

        Returns
        -------
        list of Feature

        Raises
        ------
        UnknownNameError
            If no feature has the tag, or there is no such level.
        """
        tags = list(dict.fromkeys(known for feature in self for known in feature.tags))
        if tag is not None and tag not in tags:
            raise UnknownNameError(unknown("tag", tag, tags, f"tags: {', '.join(tags) or 'none'}"))
        if level not in (None, "row", "group"):
            raise UnknownNameError(unknown("level", level, ("row", "group"), "levels: row, group"))
        return [each for each in self if (tag is None or tag in each.tags) and level in (None, each.level)]

    def outputs(self, level: Optional[Level] = None) -> tuple[str, ...]:
        """Names of what the features yield, of one level or of both.

        Parameters
        ----------
        level : {"row", "group"}, optional
            Default both.

        Returns
        -------
        tuple of str
        """
        return tuple(name for name, feature in self._owners.items() if level in (None, feature.level))

    def yielding(self, output: str) -> Feature:
        """The feature that yields an output.

        Parameters
        ----------
        output : str
            Its name.

        Returns
        -------
        Feature

        Raises
        ------
        UnknownNameError
            If none does.
        """
        if output not in self._owners:
            way_out = f"outputs: {', '.join(sorted(self._owners)) or 'none'}"
            raise UnknownNameError(unknown("output", output, self._owners, way_out))
        return self._owners[output]

    def to_frame(self) -> pd.DataFrame:
        """List the features.

        Returns
        -------
        pandas.DataFrame (n_features,)
            ``name``, ``level``, ``way``, ``inputs``, ``outputs`` and ``tags`` (comma-separated), ``doc`` (the
            docstring's first line), ``module``, ``place`` (``file:line``). The text is
            ``registry[name].source``.
        """
        import pandas as pd

        records = [
            {
                "name": feature.name,
                "level": feature.level,
                "way": feature.way,
                "inputs": ", ".join(feature.inputs),
                "outputs": ", ".join(feature.outputs),
                "tags": ", ".join(feature.tags),
                "doc": feature.doc.partition("\n")[0],
                "module": feature.module,
                "place": feature.place,
            }
            for feature in self
        ]
        columns = ["name", "level", "way", "inputs", "outputs", "tags", "doc", "module", "place"]
        return pd.DataFrame(records, columns=columns)

    def __getitem__(self, name: str) -> Feature:
        """A feature by its name.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        if name not in self._features:
            way_out = f"features: {', '.join(sorted(self._features)) or 'none'}"
            raise UnknownNameError(unknown("feature", name, self._features, way_out))
        return self._features[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a feature of that name."""
        return name in self._features

    def __iter__(self) -> Iterator[Feature]:
        """Go through the features, as registered."""
        return iter(self._features.values())

    def __len__(self) -> int:
        """Number of features."""
        return len(self._features)

    def __repr__(self) -> str:
        """Give a line for each feature: its level, what it takes and what it yields."""
        lines = [f"<FeatureRegistry of {len(self)} feature{'' if len(self) == 1 else 's'}>"]
        for feature in self:
            way = "" if feature.way == "grouped" else f", {feature.way}"
            taken, given = ", ".join(feature.inputs), ", ".join(feature.outputs)
            called = "" if feature.outputs == (feature.name,) else f"{feature.name}: "
            lines.append(f"  {called}{given} <- {taken or 'nothing'}  ({feature.level}{way})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show it as a table in notebooks."""
        table = self.to_frame()[["name", "level", "inputs", "outputs", "tags", "doc", "place"]]
        head = "".join(f"<th>{name}</th>" for name in table.columns)
        rows = ["".join(f"<td>{html.escape(str(value))}</td>" for value in row) for row in table.to_numpy()]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
