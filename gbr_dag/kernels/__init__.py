"""Compiled loops over arrays: arrays in, arrays out. No frames, no files, no messages."""
