"""Feature models: functions of rows and of groups in one graph."""

from gbr_dag.features.levels import attribute, per_group, per_row, row

__all__ = ["attribute", "per_group", "per_row", "row"]
