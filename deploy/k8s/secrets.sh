#!/bin/sh
# Made by `python -m tools.checks --write` of the table of workers (cli/run/workers.py); `make check` compares it.
# sh deploy/k8s/secrets.sh FOLDER: what `perpetua secrets FOLDER` made, as Secrets of the cluster.

set -eu
folder="${1:?the folder that perpetua secrets wrote}"

put() {
  name="$1"; shift
  kubectl create secret generic "$name" --namespace perpetua --dry-run=client --output yaml "$@" | kubectl apply -f -
}

put perpetua-feed --from-file="$folder/nats_url_feed"
put perpetua-context --from-file="$folder/nats_url_context" --from-file="$folder/redis_url_context"
put perpetua-decider --from-file="$folder/nats_url_decider" --from-file="$folder/redis_url_decider" --from-file="$folder/llm_api_key" --from-file="$folder/openrouter_api_key"
put perpetua-validator --from-file="$folder/nats_url_validator"
put perpetua-executor --from-file="$folder/nats_url_executor" --from-file="$folder/mongodb_url_executor"
put perpetua-ledger --from-file="$folder/nats_url_ledger" --from-file="$folder/mongodb_url_ledger"
put perpetua-gateway --from-file="$folder/nats_url_gateway" --from-file="$folder/mongodb_url_gateway" --from-file="$folder/redis_url_gateway"
put perpetua-notifier --from-file="$folder/nats_url_notifier" --from-file="$folder/perpetua_notify_secrets"
put perpetua-provision --from-file="$folder/nats_url_admin" --from-file="$folder/mongodb_url_admin" --from-file="$folder/passwords.json" --from-file="$folder/api_key"
put perpetua-nats --from-file="$folder/nats_passwords"
put perpetua-mongodb --from-file="$folder/mongodb_key" --from-file="$folder/mongodb_password"
put perpetua-redis --from-file="$folder/redis_acl"
