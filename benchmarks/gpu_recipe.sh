#!/usr/bin/env bash
# Train on a bare machine with a GPU, within a budget; called again, go on. See docs/gpu.md.
#   benchmarks/gpu_recipe.sh TOTAL_MINUTES [MINUTES_OF_THIS_CALL]
# Reads work/gpu (benchmarks/gpu_carry.sh), writes $OUT: at most 8 files of 16 MiB, joined again by
#   python -m engine.training.parcel join DIR INTO
#   DEVICE=cpu PYTHON=... RUN=... OUT=...    to rehearse elsewhere
set -euo pipefail
cd "$(dirname "$0")/.."
total="${1:?total budget in minutes}"
now="${2:-$(awk "BEGIN {print 1.15 * $1 + 3}")}" # the budget is kept by the pipeline; this is where patience ends
python="${PYTHON:-python3}" device="${DEVICE:-cuda}" run="${RUN:-/tmp/attacca-run}" out="${OUT:?where results go}"
carry=work/gpu

say() { printf 'recipe: %s\n' "$*" >&2; }

install_once() { # nothing of this is needed where the project itself is installed
    if ! "$python" -c 'import pedalboard, soxr, msgspec, soundfile' 2>/dev/null; then
        "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site "$carry"/wheels/*.whl
    fi
    if ! ldconfig -p | grep -q libfluidsynth && [ ! -d /usr/local/lib/attacca ]; then
        mkdir -p /usr/local/lib/attacca
        tar -C /usr/local/lib/attacca -xJf "$carry/lib.tar.xz"
        echo /usr/local/lib/attacca >/etc/ld.so.conf.d/zz-attacca.conf
        ldconfig
    fi
    local font=/usr/share/sounds/sf3/MuseScore_General_Lite.sf3
    [ -f "$font" ] || { mkdir -p "${font%/*}" && cp "$carry/${font##*/}" "$font"; }
}

install_once
export PYTHONPATH="${PYTHONPATH:-}:/tmp/site:." PYTHONUNBUFFERED=1
export ATTACCA_PROMPT_TABLE="$PWD/$carry/sentences.safetensors"
"$python" -c 'import torch; print("torch", torch.__version__, "CUDA", torch.cuda.is_available())' >&2
status=0
timeout --foreground -s INT -k 40 "$(awk "BEGIN {print 60 * $now}")" \
    "$python" -m engine.training.pipeline --budget-minutes "$total" --device "$device" --out "$run" || status=$?
say "training ended with $status"
mkdir -p "$out"
"$python" -m engine.training.parcel pack "$run" "$out"
[ "$status" = 0 ] || [ "$status" = 124 ] || [ "$status" = 130 ]
