"""Windows over a grid of bins: which bins are neighbours, with what weights, and in what order they are merged."""
