"""The steps of the models: pure typed functions, one stage a module. Imported as ``gbr_dag.nodes``."""
