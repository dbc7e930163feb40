"""Hold every carrier out of New York City against the routes that it flies."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import gbr_dag

HERE = Path(__file__).resolve().parent
SHARES = ["share_held_up", "expected_share", "share_error"]

flights = gbr_dag.load_flights()
routes = gbr_dag.ModelDriver({"model_name": "routes", "group_by": ["origin", "dest"]})
routes.load_from_python_file(HERE / "pp_features.py")
carriers = gbr_dag.ModelDriver({"model_name": "carriers", "group_by": "carrier"})
carriers.load_from_python_file(HERE / "cp_features.py")

pipeline = gbr_dag.ModelPipeline([routes, carriers], on="rows")
pipeline.validate(flights)
wanted = [f"carriers__{name}" for name in ("flights", *SHARES, "pull")]
merged = pipeline.merged(wanted)
table = merged.execute(flights)["carriers"]["groups"]
apart = pipeline.execute(flights, wanted)["carriers"]["groups"]

shown = table[table["flights"] >= 500].sort_values("pull", ascending=False)
shown[SHARES] = (100 * shown[SHARES]).round(2)
print(shown.round({"pull": 1}).to_string(index=False))
print(f"\nmerged and one after the other the same: {table.equals(apart)}")
print(f"routes:   {routes.verify(flights)}")

saved = Path("saved_features.py")
routes.save_to_python_file(saved, overwrite=True)
again = gbr_dag.ModelDriver({"model_name": "routes", "group_by": ["origin", "dest"]})
again.load_from_python_file(saved)
by_route = routes.execute(flights, outputs=["route_share_held_up", "route_flights"])["groups"]
same = again.execute(flights, outputs=["route_share_held_up", "route_flights"])["groups"].equals(by_route)
print(f"saved, loaded, the same: {same}")

figure = Figure(figsize=(11, 5.8), layout="constrained")
figure.suptitle("Held up: flights far behind the usual one of their route, New York City 2013", x=0.01, ha="left")
left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
shown = shown.iloc[::-1]
places = np.arange(len(shown))
colours = np.where(shown["pull"] > 3, "#c44e52", np.where(shown["pull"] < -3, "#4c72b0", "#8c8c8c"))
left.hlines(places, shown["expected_share"], shown["share_held_up"], color=colours, lw=1.5)
left.errorbar(
    shown["expected_share"], places, xerr=shown["share_error"], fmt="|", color="#333333", ms=11, capsize=3,
    label="its routes, with the error of so many flights",
)  # fmt: skip
left.scatter(shown["share_held_up"], places, c=colours, s=42, zorder=3)
left.scatter([], [], c="#c44e52", s=42, label="carrier, more than 3 errors above")
left.scatter([], [], c="#4c72b0", s=42, label="more than 3 errors below")
left.scatter([], [], c="#8c8c8c", s=42, label="within")
left.set_yticks(places, [f"{row.carrier}  {row.flights:,}" for row in shown.itertuples()])
left.set_title("carriers, with the number of flights", loc="left", fontsize=10)
left.set_xlabel("share of flights held up (%)")
many = by_route[by_route["route_flights"] >= 200]
for origin, colour in zip(("EWR", "JFK", "LGA"), ("#dd8452", "#4c72b0", "#55a868")):
    of_origin = many[many["origin"] == origin]
    right.scatter(
        of_origin["route_flights"], 100 * of_origin["route_share_held_up"], s=22, c=colour, alpha=0.8, label=origin
    )
right.set_xscale("log")
right.set_xticks([300, 1000, 3000, 10000], ["300", "1,000", "3,000", "10,000"])
right.xaxis.set_minor_formatter("")
right.set_xlabel("flights of the route")
right.set_title("routes of 200 flights and more", loc="left", fontsize=10)
right.set_ylabel("share of flights held up (%)")
for axis in (left, right):
    columns = 2 if axis is left else 3
    axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=columns)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
figure.savefig("carriers.png", dpi=120)
