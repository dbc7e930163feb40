"""What one timing says, and the files of them: CSV, JSON, a history that grows; never half-written."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from benchmarks import report


@dataclass(frozen=True)
class Record:
    """One engine on one scenario; the fields are the columns of the CSV, in their order.

    ``duration_s`` is a median, ``speedup`` how many times as fast as the scenario's first engine; differences are
    those from the reference engine, None where there are none.
    """

    date: str
    host: str
    commit: str
    scenario: str
    engine: str
    n_groups: int
    rows_per_group: int
    duration_s: float
    per_1k_s: float
    speedup: Optional[float]
    max_abs_delta_slope: Optional[float]
    max_abs_delta_intercept: Optional[float]
    notes: str

    def cells(self) -> list[str]:
        """As the CSV has them."""
        values = (getattr(self, name) for name in COLUMNS)
        return ["" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]


COLUMNS = tuple(field.name for field in fields(Record))


def run_stamp() -> dict[str, str]:
    """The first three columns, the same for a whole run."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"date": now, "host": platform.node(), "commit": report.commit()}


def csv_text(records: Sequence[Record], *, header: bool = True) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows(record.cells() for record in records)
    return text.getvalue()


def json_text(records: Sequence[Record], more: Mapping[str, Any]) -> str:
    """The records beside whatever else is to be known of the run."""
    rows = [{name: getattr(record, name) for name in COLUMNS} for record in records]
    return json.dumps({**more, "records": rows}, indent=1, allow_nan=False) + "\n"


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # what mkstemp makes is the owner's alone
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def history_text(path: Path) -> str:
    """What a history holds, checked; a header alone if there is none yet.

    Raises
    ------
    ValueError
        If its header is another one, or its last line or a row is broken. Nothing was written then.
    """
    if not path.exists():
        return csv_text([])
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    header, *rows = csv.reader(io.StringIO(text)) if text else [[]]
    if tuple(header) != COLUMNS:
        found = ",".join(header) or "none"
        message = f"{path} must have the columns {','.join(COLUMNS)}, has {found}; move it away to begin a new history"
        raise ValueError(message)
    broken = [number for number, row in enumerate(rows, start=2) if len(row) != len(COLUMNS)]
    if broken or not text.endswith("\n"):
        line = broken[0] if broken else len(rows) + 1
        message = f"{path} is broken at record {line}; mend it, or move it away to begin a new history"
        raise ValueError(message)
    return text


def append_history(path: Path, records: Sequence[Record]) -> None:
    """Add records to a history; it keeps one header.

    Raises
    ------
    ValueError
        As :func:`history_text`.
    """
    replace(path, history_text(path) + csv_text(records, header=False))
