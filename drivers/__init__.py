"""What a user starts: drivers, the functions that call them, the command line. Imported as ``gbr_dag.drivers``."""
