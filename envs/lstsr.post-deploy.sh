#!/usr/bin/env bash
# Snakemake runs this in the environment that it has made from lstsr.yaml, in its working folder.
# An editable install sees later edits of the code, so the environment is made only once.
set -euo pipefail
if [ ! -f pyproject.toml ]; then
  echo "lstsr: $PWD has no pyproject.toml. With --sdm conda, run Snakemake in the repository." >&2
  exit 1
fi
python -m pip install --no-deps --no-build-isolation --editable .
