#!/usr/bin/env bash
# Run the GPU recipe on this machine's CPU, in a folder that holds only what would travel.
#   benchmarks/gpu_rehearse.sh [MINUTES]
set -euo pipefail
cd "$(dirname "$0")/.."
minutes="${1:-1}" python="$PWD/.venv/bin/python" here="$PWD"
[ -f work/gpu/sentences.safetensors ] || { echo "first: benchmarks/gpu_carry.sh" >&2; exit 2; }
spare="$(mktemp -d /tmp/attacca-rehearsal.XXXX)"
git ls-files -z --cached --others --exclude-standard -- . ':!engine/bundles' | xargs -0 cp --parents -t "$spare"
mkdir -p "$spare/work" "$spare/out"
cp -r work/gpu "$spare/work/"
cd "$spare"
du -sm . | awk '{print "rehearsal: " $1 " MiB travel"}' >&2
# -P and PYTHONPATH: the copy's own code, not the checkout's
env -u ATTACCA_BUNDLE PYTHON="$python" PYTHONPATH="$spare" DEVICE=cpu RUN="$spare/run" OUT="$spare/out" \
    bash benchmarks/gpu_recipe.sh "$minutes"
"$python" -m engine.training.parcel join out joined
ls -l out
cd "$here"
echo "rehearsal: done in $spare" >&2
