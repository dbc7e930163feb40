"""What an installed wheel must be able to do, run from a folder without the sources."""

import sys
from importlib.metadata import distribution, version
from pathlib import Path

import gbr_dag

package = Path(gbr_dag.__file__).parent
files = [str(file) for file in distribution("gbr-dag").files or ()]
if "site-packages" not in package.parts:
    sys.exit(f"gbr_dag comes from {package}, not from the wheel")
if version("gbr-dag") != gbr_dag.__version__:
    sys.exit(f"the wheel says {version('gbr-dag')}, the package {gbr_dag.__version__}")
stray = sorted({file.split("/")[0] for file in files} - {"gbr_dag", "..", f"gbr_dag-{gbr_dag.__version__}.dist-info"})
if stray:
    sys.exit(f"the wheel installs more than gbr_dag: {', '.join(stray)}")
for name in ("gbr_dag/py.typed", "gbr_dag/datasets/flights.parquet", "gbr_dag/datasets/NOTICE.md"):
    if name not in files:
        sys.exit(f"{name} is not in the wheel")
if not any(file.endswith("licenses/LICENSE") for file in files):
    sys.exit("the licence is not in the wheel")

flights = gbr_dag.load_flights(["origin", "dep_delay", "arr_delay"])
table = gbr_dag.fit_groups(flights, by=["origin"], targets=["arr_delay"], predictors=["dep_delay"], engine="numpy")
slopes = table["arr_delay_slope_dep_delay"]
if len(table) != 3 or not slopes.between(0.9, 1.1).all():
    sys.exit(f"the flights' slopes are wrong:\n{table}")
loaded = sorted(name for name in ("nodes", "drivers") if name in sys.modules)
if loaded:
    sys.exit(f"top-level packages were imported: {', '.join(loaded)}")
print(table.to_string())
