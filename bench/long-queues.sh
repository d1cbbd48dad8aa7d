#!/usr/bin/env bash
# Fills long queues of sessions that are away, kills the broker with SIGKILL, starts it again, drains every queue, and
# tells how long the start took, what memory and disk it took, and when the disk space came back.
#
#   bash bench/long-queues.sh [SESSIONS] [MESSAGES] [PAYLOAD] [option of `sericite broker` ...]
#
# By default 1000 sessions with 1000 messages of 1024 bytes, each with a body of its own. Needs Go, for the load generator.
# The options are for the second start, for example: --config deploy/edge.yaml. NODE_OPTIONS is for it too.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SESSIONS=${1:-1000} MESSAGES=${2:-1000} PAYLOAD=${3:-1024}
shift $(($# < 3 ? $# : 3))
OPTIONS=("$@")
PORT=${PORT:-21883}
RUN=$(mktemp -d "${TMPDIR:-/var/tmp}/sericite-long-queues-XXXXXX")
GENERATOR=${LOADGEN:-$RUN/loadgen}
[[ -x $GENERATOR ]] || (cd "$HERE/loadgen" && go build -o "$GENERATOR" .)
ulimit -n "$(ulimit -Hn)"

start() { # LOG [option ...]
  node "$HERE/../packages/sericite/bin/sericite.js" broker --port "$PORT" --data-dir "$RUN/data" "${@:2}" \
    >"$1" 2>&1 </dev/null &
  echo $! >"$RUN/pid"
  disown
  until grep -qs '"event":"started"' "$1"; do
    kill -0 "$(cat "$RUN/pid")" || { cat "$1"; exit 1; }
    sleep 0.05
  done
}
resident() { awk '/VmRSS/ {printf "%d", $2 / 1024}' "/proc/$1/status" 2>/dev/null || echo 0; }
disk() { du -sm "$RUN/data" | cut -f1; }
finish() {
  kill "$(cat "$RUN/pid")" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$RUN"
}

if [[ ${LONG_QUEUES_STEP:-} == restart ]]; then
  # Called by the generator, while all sessions are away.
  RUN=$LONG_QUEUES_RUN
  kill -9 "$(cat "$RUN/pid")"
  echo "on the disk after the crash: $(disk) MiB"
  begun=$(date +%s%N)
  start "$RUN/second.log" "${OPTIONS[@]}"
  pid=$(cat "$RUN/pid")
  echo "ready again after $((($(date +%s%N) - begun) / 1000000)) ms, with $(resident "$pid") MiB resident"
  (
    most=0
    while now=$(resident "$pid"); [[ $now != 0 ]]; do
      ((now > most)) && most=$now && echo "$most" >"$RUN/most"
      sleep 0.1
    done
  ) </dev/null >/dev/null 2>&1 &
  exit 0
fi

trap finish EXIT
NODE_OPTIONS='' start "$RUN/first.log"
export LONG_QUEUES_STEP=restart LONG_QUEUES_RUN=$RUN LOADGEN=$GENERATOR PORT
between="bash '$HERE/long-queues.sh' $SESSIONS $MESSAGES $PAYLOAD ${OPTIONS[*]@Q} >'$RUN/restart' 2>&1"
"$GENERATOR" durable --port "$PORT" --pid none --clients "$SESSIONS" --messages "$MESSAGES" --payload "$PAYLOAD" \
  --pubs 4 --window 50 --limit 10m --between "$between" >"$RUN/result" 2>&1 || { cat "$RUN/result" "$RUN/restart"; exit 1; }
drained=$(date +%s)
cat "$RUN/restart"
tail -1 "$RUN/result" | tr ',{}' '\n' | grep -E '"(lost|duplicates|misordered|enqueue_s|msgs_s|wall_s)"' | sed 's/^/  /'
echo "most memory resident while draining: $(cat "$RUN/most") MiB"
for _ in $(seq 60); do
  now=$(disk)
  echo "on the disk $(($(date +%s) - drained)) s after the drain: $now MiB"
  ((now < 100)) && break
  sleep 2
done
