#!/bin/sh
# Makes what is missing in secrets/ beside this file; what is there stays.
# The folder is yours alone; inside the containers another user reads the files.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 700 secrets
cd secrets
random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { test -s "$1" || cat > "$1"; }
random 32 | keep ray_token
random 16 | keep postgres_password
random 16 | keep mlflow_password
key=GK$(random 12) secret=$(random 32)
test -s s3.env || printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$key" "$secret" > s3.env
. ./s3.env
keep garage.env <<EOF
GARAGE_RPC_SECRET=$(random 32)
GARAGE_DEFAULT_ACCESS_KEY=$AWS_ACCESS_KEY_ID
GARAGE_DEFAULT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY
GARAGE_DEFAULT_BUCKET=voxsiam
EOF
