"""Print the routes out of New York City that make up most of a late departure."""

import gbr_dag
import nodes

driver = gbr_dag.GroupByDriver(modules=[nodes])
ranking = driver.execute(
    ["route_ranking"],
    inputs={
        "frame": gbr_dag.load_flights(),
        "by": ["origin", "dest"],
        "targets": "arr_delay",
        "predictors": "dep_delay",
        "late_by": 30.0,
        "fewest_flights": 1000,
    },
)["route_ranking"]
print(ranking.head(8).round(2).to_string(index=False))
