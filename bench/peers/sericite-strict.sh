#!/usr/bin/env bash
# Sericite as `sericite broker` runs by itself: nothing that was acknowledged is lost, each acknowledgement waits for its
# flush.  sericite-strict.sh PORT
#   SERICITE_STORE_DURABILITY=relaxed   acknowledges what is written, and flushes each second
#   and what sericite.sh takes
export SERICITE_STORE_DURABILITY=${SERICITE_STORE_DURABILITY:-strict}
exec bash "$(dirname "$0")/sericite.sh" "$@"
