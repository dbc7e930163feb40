"""Calibrate a detector in three passes, each a fit of what the one before has left over."""

import features
import numpy as np
from matplotlib.figure import Figure

import gbr_dag

BINS = ["xBin", "y2xBin", "z2xBin"]
NOISE_CM, OUTLIER_CM, OUTLIER_SHARE = 0.02, 0.5, 0.01
SLICE = 5


def measurements():
    """Synthetic distortion with a hot spot that no formula foresees, and with outliers."""
    rows = gbr_dag.synthetic_distortion(n_dr=50, n_y=10, n_z=10, rows=50, noise=NOISE_CM, seed=0)
    spot = 0.03 * np.exp(-(((rows["xBin"] - 32) / 4) ** 2 + ((rows["y2xBin"] - 6) / 2) ** 2) / 2)
    generator = np.random.default_rng(1)
    wrong = generator.random(len(rows)) < OUTLIER_SHARE
    far = np.where(wrong, generator.normal(0.0, OUTLIER_CM, len(rows)), 0.0)
    return rows.assign(dX_true=rows["dX_true"] + spot, dX_meas=rows["dX_meas"] + spot + far)


def model(name, by, filters=(), attributes=()):
    """A model of functions of ``features``."""
    driver = gbr_dag.ModelDriver({"model_name": name, "group_by": by})
    for feature in filters:
        driver.register_filter(feature, getattr(features, feature))
    for feature in attributes:
        driver.register_attribute(feature, getattr(features, feature))
    return driver


PASSES = (1, 2, 3)
errors, residuals = [f"error_{i}" for i in PASSES], [f"residual_{i}" for i in PASSES]
links = [
    model("geometry", BINS, ["chamber"]),
    gbr_dag.GroupFit("pass1", by="chamber", targets="dX_meas", predictors=["dr", "drift", "dsec", "meanIDC"]),
    model("first_quality", "chamber", ["left_1", "kept_1"], ["scatter_1"]),
    gbr_dag.WindowFit(
        "pass2",
        by=BINS,
        window={"xBin": 4, "y2xBin": 2, "z2xBin": 2},
        targets="left_1",
        within="chamber",
        predictors=["dr", "drift", "dsec"],
        selection="kept_1",
        statistics=(),
    ),
    model("second_quality", "chamber", ["left_2", "kept_2"], ["scatter_2"]),
    gbr_dag.WindowFit(
        "pass3",
        by=BINS,
        window={"xBin": 2, "y2xBin": 1, "z2xBin": 1},
        targets="left_2",
        predictors=["dr", "drift", "dsec"],
        within="chamber",
        selection="kept_2",
        statistics=(),
    ),
    model("bins", BINS, [f"correction_{i}" for i in PASSES], [*errors, *residuals, "n_kept"]),
]
pipeline = gbr_dag.ModelPipeline(links, on="rows")

rows = measurements()
asked = ["first_quality__scatter_1", "second_quality__scatter_2"]
asked += [f"bins__{name}" for name in (*errors, *residuals, "n_kept")]
merged = pipeline.merged(asked)
results = merged.execute(rows)
bins = results["bins"]["groups"]
bins.to_parquet("iterative_calibration.parquet")

print(f"columns of the frame: {', '.join(merged.required_inputs())}")
print(f"measurements: {len(rows):,}, of which in the last pass: {100 * bins['n_kept'].sum() / len(rows):.2f} %\n")
print("scatter of a measurement, um, by chamber")
for name, scatter in (("first", "scatter_1"), ("second", "scatter_2")):
    values = 1e4 * results[f"{name}_quality"]["groups"][scatter]
    print(f"after the {name} pass".ljust(22) + "".join(f"{value:8.1f}" for value in values))
print("\nRMS over bins, um         left over   error of the correction")
for i, text in zip(PASSES, ["per chamber", "wide windows", "fine windows"]):
    left, error = 1e4 * np.sqrt((bins[[f"residual_{i}", f"error_{i}"]] ** 2).mean())
    print(f"pass {i}, {text:<14}{left:14.1f}{error:26.1f}")
print(f"noise of a bin's mean {1e4 * NOISE_CM * np.sqrt((1 / bins['n_kept']).mean()):13.1f}")

radius = 82.0 + bins["xBin"] * 168.0 / 50
cut = bins.assign(r=radius)[bins["z2xBin"] == SLICE].pivot(index="y2xBin", columns="r")
figure = Figure(figsize=(12, 6), layout="constrained")
title = (
    f"Three passes; maps of bin {SLICE} of 10 in z over r. Dashed: borders of chambers\n"
    "Left over: measured minus correction. Error: correction minus truth, so what a pass lacks has the opposite sign"
)
figure.suptitle(title, x=0.01, ha="left")
panels = figure.subplots(2, 3, sharex=True, sharey=True)
for i, most, column in zip(PASSES, (2_000, 100, 100), panels.T):
    names = (
        (f"residual_{i}", f"left over after pass {i} (µm, scale ±{most:,})"),
        (f"error_{i}", f"error of the correction, pass {i} (µm, scale ±{most:,})"),
    )
    for axis, (name, text) in zip(column, names):
        values = 1e4 * cut[name]
        image = axis.pcolormesh(values.columns, values.index, values, cmap="RdBu_r", vmin=-most, vmax=most)
        figure.colorbar(image, ax=axis, pad=0.02, extend="both")
        axis.set_title(text, loc="left", fontsize=10)
        for border in (132, 195):
            axis.axvline(border, color="black", linewidth=0.8, linestyle="--")
for axis in panels[1]:
    axis.set_xlabel("radius (cm)")
for axis in panels[:, 0]:
    axis.set_ylabel("bin across the sector")
figure.savefig("iterative_calibration.png", dpi=120)
