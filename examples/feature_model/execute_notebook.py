"""Run ``feature_model.ipynb`` anew and store its outputs, without times and paths."""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent / "feature_model.ipynb"


def executed(folder):
    """The notebook with the outputs of a run in ``folder``, where it writes its files."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=120, resources=resources, record_timing=False).execute()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(folder), NOTEBOOK)
