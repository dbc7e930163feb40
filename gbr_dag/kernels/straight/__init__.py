"""Kernels with every loop written out, one file for each number of predictors and targets; see ``kernels/generator``."""
