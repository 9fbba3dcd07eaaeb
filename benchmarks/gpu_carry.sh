#!/usr/bin/env bash
# Gather what a bare GPU machine needs beside this repository, into work/gpu, at most 64 MiB with the repository.
#   benchmarks/gpu_carry.sh [SONGS]    captions of how many songs go into the table of sentences (800)
# It needs what training needs here (.ci/setup), and the network for a few wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
songs="${1:-800}" carry=work/gpu python=.venv/bin/python limit_mib=64
mkdir -p "$carry/wheels" "$carry/lib"

say() { printf 'carry: %s\n' "$*" >&2; }

wheels() { # for the Python that PyTorch's images have; what such an image holds itself is not carried
    local version
    for name in pedalboard soundfile soxr msgspec pyfluidsynth; do
        ls "$carry/wheels/$name"-* >/dev/null 2>&1 && continue
        version="$("$python" -c "import importlib.metadata as m; print(m.version('$name'))")"
        "$python" -m pip -q download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
            --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
            --platform manylinux_2_27_x86_64 -d "$carry/wheels" "$name==$version"
    done
}

libraries() { # FluidSynth and all it links to but the C library, in one archive
    local library spare
    [ -f "$carry/lib.tar.xz" ] && return
    spare="$(mktemp -d)"
    library="$(ldconfig -p | awk '/libfluidsynth\.so\.3/ {print $NF; exit}')"
    { echo "$library"; ldd "$library" | awk '$3 ~ /^\// {print $3}'; } |
        grep -vE '/(libc|libm|libpthread|libdl|librt|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so' |
        xargs -I{} cp -L {} "$spare"
    tar -C "$spare" -cJf "$carry/lib.tar.xz" .
    rm -r "$spare"
}

soundfont() {
    cp -n /usr/share/sounds/sf3/MuseScore_General_Lite.sf3 "$carry/" 2>/dev/null || true
}

table() {
    [ -f "$carry/sentences.safetensors" ] || "$python" -m engine.training.captions_table "$carry/sentences.safetensors" --songs "$songs"
}

rmdir "$carry/lib" 2>/dev/null || true
wheels
libraries
soundfont
table
tracked="$(git ls-files -z -- . ':!engine/bundles' | xargs -0 du -cb | awk 'END {print $1}')"
carried="$(du -cb "$carry" | awk 'END {print $1}')"
total_mib=$(((tracked + carried) / 1048576 + 1))
say "repository without bundles $((tracked / 1048576)) MiB, $carry $((carried / 1048576)) MiB: $total_mib of $limit_mib MiB"
[ "$total_mib" -le "$limit_mib" ] || { say "too much; give fewer SONGS or leave something out"; exit 1; }
