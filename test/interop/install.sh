#!/usr/bin/env bash
# Installs what the interoperability tests need on Debian: resolvers, validators and the tools that ask. Quick where all is there.
# Needs root. No service is started: a policy that forbids it stands during the installation, unless there is one already.
set -euo pipefail

packages=(
  bind9 bind9-dnsutils bind9-utils unbound knot-resolver pdns-recursor nsd
  knot-dnsutils ldnsutils dnsviz zonemaster-cli
  python3 python3-dnspython python3-cryptography python3-pygraphviz
  iproute2 util-linux dnsperf
)

missing=()
for package in "${packages[@]}"; do
  status="$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)"
  [ "$status" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  exit 0
fi
echo "installing: ${missing[*]}"

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
