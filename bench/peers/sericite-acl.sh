#!/usr/bin/env bash
# Sericite with an ACL file of 100 rules, the last of which lets the scenarios' topics through.  sericite-acl.sh PORT [WSPORT]
#   and what sericite.sh takes
# The rules before are of each kind: for users, for roles, with %c and %u, with wildcards, to allow and to deny. None of
# them is for these clients or topics, yet all have to be looked at.
. "$(dirname "$0")/common.sh"
{
  echo "everybody"
  for ((i = 0; i < 20; i++)); do
    echo "topic read site/$i/state/#"
    echo "topic write site/$i/+/command"
    echo "topic deny site/$i/secret/#"
  done
  for ((i = 0; i < 10; i++)); do
    echo "pattern readwrite device/$i/%c/#"
    echo "pattern read person/$i/%u/+"
  done
  echo "topic readwrite #"
  for ((i = 0; i < 9; i++)); do printf 'user user%s role role%s\ntopic read own/%s/#\n' "$i" "$i" "$i"; done
  for ((i = 0; i < 9; i++)); do printf 'role role%s\ntopic write shared/%s/#\n' "$i" "$i"; done
  echo "topic deny shared/private/#"
} >"$RUN/access.conf"
export SERICITE_FLAGS="${SERICITE_FLAGS:-} --acl-file $RUN/access.conf"
exec bash "$(dirname "$0")/sericite.sh" "$@"
