#!/usr/bin/env bash
# Snakemake runs this script in its working folder, in the environment that it made from lstsr.yaml.
# The install is editable, so later edits of the code need no new environment.
set -euo pipefail
if [ ! -f pyproject.toml ]; then
  echo "lstsr: $PWD has no pyproject.toml. With --sdm conda, run Snakemake in the repository." >&2
  exit 1
fi
python -m pip install --no-deps --no-build-isolation --editable .
