#!/usr/bin/env bash
# Sericite, from this repository.  sericite.sh PORT [WSPORT]
#   TLSPORT= WSSPORT= UNIX_SOCKET=   listeners for TLS, for WebSocket over TLS, and on a Unix socket, too
#   NODE=node   NODE_OPTS=   SERICITE_FLAGS=   (flags of `sericite broker`)
#   SERICITE_STORE_DURABILITY=memory   (nothing on disk, as the others; sericite-strict.sh has the command's default)
#   KEEP_STORE=1   keep the store of the last run on this port
# The log is quiet, as those of the others are; all else has its default.
. "$(dirname "$0")/common.sh"
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
[[ -z ${PEERS_BUILD_ONLY:-} && -f $ROOT/packages/sericite/dist/main.js ]] || (cd "$ROOT" && npm run --silent build) >&2
export SERICITE_STORE_DURABILITY=${SERICITE_STORE_DURABILITY:-memory}
if [[ $SERICITE_STORE_DURABILITY != memory ]]; then
  export SERICITE_STORE_DATA_DIR=$RUN/store
  [[ -n ${KEEP_STORE:-} ]] || rm -rf "$SERICITE_STORE_DATA_DIR"
fi
LISTEN=(--port "$PORT")
[[ -z $WSPORT ]] || LISTEN+=(--ws-port "$WSPORT")
[[ -z $UNIX_SOCKET ]] || LISTEN+=(--unix "$UNIX_SOCKET")
if [[ -n $TLSPORT$WSSPORT ]]; then
  certificate
  LISTEN+=(--tls-certificate "$CERTIFICATE" --tls-key "$KEY")
  [[ -z $TLSPORT ]] || LISTEN+=(--tls-port "$TLSPORT")
  [[ -z $WSSPORT ]] || LISTEN+=(--wss-port "$WSSPORT")
fi
ready_when_up
# shellcheck disable=SC2086
exec "${NODE:-node}" ${NODE_OPTS:-} "$ROOT/packages/sericite/bin/sericite.js" broker --host "$BIND" "${LISTEN[@]}" --log-level warn ${SERICITE_FLAGS:-}
