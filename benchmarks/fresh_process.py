"""Figures that only a new process can give: seconds of compilation, bytes beside the frame.

A parent calls ``compile_seconds`` and ``peak_bytes``; each starts this file as a script.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

import gbr_dag
from benchmarks.scenarios import KEYS, SCENARIOS, Scenario

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def fitted(frame: Any, scenario: Scenario, engine: Optional[str]) -> Any:
    """Our table, by the library's default engine if none is named."""
    chosen = {} if engine is None else {"engine": engine}
    return gbr_dag.fit_groups(frame, list(KEYS), scenario.targets, scenario.predictors, weights="w", **chosen)


def compile_seconds(scenario: Scenario, engine: Optional[str]) -> dict[str, float]:
    """Seconds of the first small fit minus the second, with an empty cache of machine code and with a filled one."""
    with tempfile.TemporaryDirectory() as cache:
        cold, cached = (_child("compile", scenario, engine, NUMBA_CACHE_DIR=cache) for _ in range(2))
    return {"cold": cold["seconds"], "cached": cached["seconds"]}


def peak_bytes(scenario: Scenario, engine: Optional[str]) -> int:
    """Largest resident memory of a fit, minus what the process held before: the frame, imports, machine code."""
    with tempfile.TemporaryDirectory() as folder:
        frame = scenario.frame()
        for name in frame.columns:
            np.save(Path(folder) / f"{name}.npy", frame[name].to_numpy())
        del frame
        return int(_child("memory", scenario, engine, "--columns", folder)["bytes"])


def can_measure_memory() -> bool:
    """Linux lets a process reset its own high-water mark."""
    return CLEAR.exists()


def _child(what: str, scenario: Scenario, engine: Optional[str], *more: str, **environment: str) -> dict[str, float]:
    chosen = [] if engine is None else ["--engine", engine]
    command = [sys.executable, str(Path(__file__).resolve()), what, scenario.key, *chosen, *more]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _small(scenario: Scenario) -> Scenario:
    return Scenario("small", 200, 10, scenario.p, scenario.t, turns=1)


def _compiled(scenario: Scenario, engine: Optional[str]) -> dict[str, float]:
    frame = _small(scenario).frame()
    # imports and the first run of everything that is not compiled; numba's own import takes its half second here
    __import__("numba")
    fitted(frame, scenario, "numpy")
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        fitted(frame, scenario, engine)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds[0] - seconds[1]}


def _memory(scenario: Scenario, engine: Optional[str], folder: Path) -> dict[str, float]:
    fitted(_small(scenario).frame(), scenario, engine)
    names = [*KEYS, *scenario.predictors, *scenario.targets, "w"]
    frame = pd.DataFrame({name: np.load(folder / f"{name}.npy") for name in names}, copy=False)
    gc.collect()
    CLEAR.write_text("5")
    before = kilobytes("VmRSS")
    table = fitted(frame, scenario, engine)
    after = kilobytes("VmHWM")
    if len(table) != scenario.groups:
        message = f"the fit has {len(table)} groups instead of {scenario.groups}"
        raise ValueError(message)
    return {"bytes": 1024 * (after - before)}


def kilobytes(name: str) -> int:
    """A figure of this process, as Linux states it."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["compile", "memory"])
    parser.add_argument("scenario", choices=list(SCENARIOS))
    parser.add_argument("--engine")
    parser.add_argument("--columns", type=Path)
    options = parser.parse_args()
    scenario = SCENARIOS[options.scenario]
    if options.what == "compile":
        print(json.dumps(_compiled(scenario, options.engine)))
    else:
        print(json.dumps(_memory(scenario, options.engine, options.columns)))


if __name__ == "__main__":
    main()
