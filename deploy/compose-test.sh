#!/bin/sh
# Builds the images, starts the set with the demo's simulator on clean volumes, and checks that runs flow from the
# simulator through collector and PostgreSQL to API and dashboard; then takes it down. Needs Docker and Compose.
# Where the build's containers have no network of their own: BUILD_FLAGS="--network host".
set -eu
cd "$(dirname "$0")/.."
if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose="docker-compose"; fi
compose="$compose -p pipeline-health-test --profile demo --env-file deploy/demo.env"
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() { say "FAILED: $*"; $compose ps; $compose logs --tail 40; $compose down -v >/dev/null 2>&1; exit 1; }

say "building"
docker build -q ${BUILD_FLAGS:-} -f Dockerfile.collector -t pipeline-health-collector . >/dev/null
docker build -q ${BUILD_FLAGS:-} -f Dockerfile.app -t pipeline-health-app . >/dev/null
docker images --format '{{.Repository}} {{.Size}}' | grep '^pipeline-health-' | sort -u
$compose down -v >/dev/null 2>&1 || true
started=$(date +%s)
$compose up -d --no-build >/dev/null 2>&1 || fail "up -d"
trap '$compose down -v >/dev/null 2>&1' EXIT INT TERM

runs() { curl -fsS -m 5 http://127.0.0.1:3000/api/metrics 2>/dev/null | sed -n 's/.*"runs":{"total":\([0-9]*\).*/\1/p'; }
wait_for() { # what, seconds, command
  what=$1; left=$2; shift 2
  until "$@" >/dev/null 2>&1; do left=$((left - 1)); [ "$left" -gt 0 ] || fail "$what"; sleep 1; done
  say "$what: after $(($(date +%s) - started)) s"
}
has_runs() { n=$(runs); [ -n "$n" ] && [ "$n" -gt 0 ]; }
healthy() { for c in db redis collector api app; do
  [ "$(docker inspect -f '{{.State.Health.Status}}' "$($compose ps -q "$c")")" = healthy ] || return 1; done; }
wait_for "dashboard answers" 120 curl -fsS -m 3 http://127.0.0.1:8501/health/ready
wait_for "API answers with runs" 120 has_runs
wait_for "every container is healthy" 180 healthy
say "runs: $(runs)"
say "user in the containers: $(docker exec "$($compose ps -q collector)" id -u) $(docker exec "$($compose ps -q app)" id -u)"
for service in collector api app; do
  $compose restart "$service" >/dev/null 2>&1 || fail "restart of $service"
  say "$service restarted"
done
wait_for "API answers with runs after the restarts" 60 has_runs
wait_for "dashboard answers after the restarts" 60 curl -fsS -m 3 http://127.0.0.1:8501/health/ready
$compose stop -t 12 >/dev/null 2>&1
codes=$(for c in collector api app; do docker inspect -f '{{.State.ExitCode}}' "$($compose ps -a -q "$c" 2>/dev/null || $compose ps -q "$c")"; done | tr '\n' ' ')
say "exit codes of collector, api, app: $codes"
say "passed"
