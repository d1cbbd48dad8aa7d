#!/usr/bin/env bash
# Makes the certificates of the listeners' tests anew. They are valid for a hundred years, their
# keys are public, and nothing but these tests trusts them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# authority NAME COMMON_NAME
authority() {
  new_key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days 36500 -out "$1.pem"
}

# issue NAME COMMON_NAME AUTHORITY EXTENSION
issue() {
  new_key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$2" |
    openssl x509 -req -CA "$3.pem" -CAkey "$3.key" -days 36500 -out "$1.pem" -extfile <(printf '%s\n' "$4")
}

authority ca "Authority of tests"
authority other-ca "Another authority of tests"
issue localhost localhost ca "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
issue renewed localhost ca "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
issue example broker.example ca "subjectAltName=DNS:broker.example,DNS:*.devices.example"
issue client ada ca "extendedKeyUsage=clientAuth"
issue stranger eve other-ca "extendedKeyUsage=clientAuth"
rm -f ca.key other-ca.key ca.srl other-ca.srl
