"""Peak memory of a fit in windows, in a process of its own: a parent calls ``memory_of``, which starts this file."""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fresh_process import CLEAR, kilobytes
from benchmarks.window_scenarios import SCENARIOS, WindowScenario, fitted, small
from gbr_dag.tables import record_width


@dataclass(frozen=True)
class Memory:
    """Bytes of a fit.

    Attributes
    ----------
    peak : int
        Largest resident memory during the fit, minus what the process held before: the frame, imports, machine code.
    result : int
        The table's columns.
    records : int
        One record for every bin of the grid, as wide as a windowed fit needs.
    """

    peak: int
    result: int
    records: int


def memory_of(scenario: WindowScenario, engine: Optional[str]) -> Memory:
    """Bytes of a fit of the scenario, or of its small form where that is given."""
    full = scenario == SCENARIOS[scenario.key]
    command = [sys.executable, str(Path(__file__).resolve()), scenario.key]
    command += [] if engine is None else ["--engine", engine]
    command += [] if full else ["--small"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Memory(**json.loads(done.stdout.splitlines()[-1]))


def _measured(scenario: WindowScenario, engine: Optional[str]) -> Memory:
    fitted(small(scenario).frame(), small(scenario), engine)
    frame = scenario.frame()
    gc.collect()
    CLEAR.write_text("5")
    before = kilobytes("VmRSS")
    table = fitted(frame, scenario, engine)
    after = kilobytes("VmHWM")
    # the last double of a record of a window is the sum of its kernel weights
    width = record_width(scenario.p, scenario.p + scenario.t) + 1
    return Memory(1024 * (after - before), int(table.memory_usage(index=False).sum()), 8 * width * scenario.n_cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=list(SCENARIOS))
    parser.add_argument("--engine")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    scenario = SCENARIOS[options.scenario]
    print(json.dumps(asdict(_measured(small(scenario) if options.small else scenario, options.engine))))


if __name__ == "__main__":
    main()
