#!/usr/bin/python3
"""Runs dnsviz. Version 0.9.4 asks pygraphviz for a part that is gone since pygraphviz 1.6, only to learn its version."""

import runpy
import shutil
import sys
import types

import pygraphviz

if not hasattr(pygraphviz, "release"):
    pygraphviz.release = types.SimpleNamespace(version=pygraphviz.__version__)
sys.argv[0] = shutil.which("dnsviz")
runpy.run_path(sys.argv[0], run_name="__main__")
