"""Make a calibration map of a detector whose distortion is known, and see whether its errors are right."""

import numpy as np
from matplotlib.figure import Figure

import gbr_dag
import nodes
from gbr_dag.datasets import DISTORTION_TERMS

KEYS = ["xBin", "y2xBin", "z2xBin"]
SLICE = 5

rows = gbr_dag.synthetic_distortion(n_dr=50, n_y=10, n_z=10, rows=50, seed=0)
driver = gbr_dag.SlidingWindowDriver(modules=[nodes])
table = driver.execute(
    ["calibration_map"],
    inputs={
        "frame": rows,
        "by": KEYS,
        "window": {"xBin": 2, "y2xBin": 1, "z2xBin": 1},
        "targets": "dX_meas",
        "predictors": DISTORTION_TERMS,
    },
)["calibration_map"]

bins = rows.groupby(KEYS, as_index=False)[["r", "dX_true", "dX_meas"]].mean()
table = table.assign(r=bins["r"], true=bins["dX_true"])
table["pull"] = (table["value"] - table["true"]) / table["error"]
table.to_parquet("calibration_map.parquet")

shown = table.query(f"y2xBin == 2 and z2xBin == {SLICE} and xBin % 10 == 0")
columns = ["xBin", "r", "value", "error", "true", "pull", "neighbours"]
print(shown[columns].round({"value": 4, "error": 4, "true": 4, "pull": 2}).to_string(index=False))
print(f"\nbins: {len(table):,}, from up to {table['neighbours'].max()} bins each")
print(f"scatter about the truth: {1e4 * (table['value'] - table['true']).std():.1f} um")
print(f"mean error of the map:   {1e4 * table['error'].mean():.1f} um")
print(f"one bin's own mean:      {1e4 * (bins['dX_meas'] - bins['dX_true']).std():.1f} um")
print(f"pulls of the truth:      mean {table['pull'].mean():.2f}, width {table['pull'].std():.2f}")
print(f"pulls of the residuals:  mean {table['residual_pull'].mean():.2f}, width {table['residual_pull'].std():.2f}")

cut = table[table["z2xBin"] == SLICE].pivot(index="y2xBin", columns="r")
figure = Figure(figsize=(11, 6.4), layout="constrained")
figure.suptitle(f"Fits in windows of ±2, ±1, ±1 bins; maps of bin {SLICE} of 10 in z over r", x=0.01, ha="left")
panels = figure.subplots(2, 2)
maps = [
    (panels[0, 0], 10.0 * cut["value"], "distortion (mm)", "viridis", None),
    (panels[0, 1], 1e4 * cut["error"], "standard error of the distortion (µm)", "viridis", None),
    (panels[1, 0], cut["residual_pull"], "what is left over, in standard deviations", "RdBu_r", 3.5),
]
for axis, values, title, colours, most in maps:
    image = axis.pcolormesh(
        values.columns, values.index, values, cmap=colours, vmax=most, vmin=None if most is None else -most
    )
    figure.colorbar(image, ax=axis, pad=0.02)
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_xlabel("radius (cm)")
    axis.set_ylabel("bin across the sector")
axis = panels[1, 1]
edges = np.linspace(-4, 4, 41)
axis.hist(table["pull"], edges, density=True, color="#7a9cc6", label="5,000 bins")
axis.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), color="#c44e52", label="normal, width 1")
axis.set_title("pulls of the truth, all bins", loc="left", fontsize=10)
axis.set_xlabel("(map - truth) / standard error")
axis.set_yticks([])
axis.legend(frameon=False)
for side in ("top", "right", "left"):
    axis.spines[side].set_visible(False)
figure.savefig("calibration_map.png", dpi=120)
