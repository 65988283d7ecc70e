#!/usr/bin/env bash
# Usage: tools/debian-check.sh PACKAGE.deb
# Installs, upgrades, removes and purges the package in a chroot, as root, and checks after each step what is on the system.
# The chroot is kept in build/debian-check, so that the next run needs no debootstrap; RELEASE is bookworm unless set.
# shellcheck disable=SC2016 # the shell in the chroot expands what is in single quotes
set -euo pipefail
cd "$(dirname "$0")/.."
package=$(realpath "$1")
base=build/debian-check/${RELEASE:-bookworm}
work=$(mktemp -d)
root=$work/root
trap 'rm -rf "$work"' EXIT

step() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
check() { inside sh -euc "$1" || fail "$1"; }
install_package() {
    cp "$1" "$root/tmp/chrysaetos.deb"
    inside apt-get install --yes --quiet=2 --no-install-recommends --allow-downgrades \
        -o Dpkg::Options::=--force-confold /tmp/chrysaetos.deb >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; fail "apt-get install"; }
    rm "$root/tmp/chrysaetos.deb"
}
# All files that belong to nothing but packages: without the state of apt and dpkg, logs and caches.
list_files() {
    (cd "$root" && find . -path ./var/lib/apt -prune -o -path ./var/lib/dpkg -prune -o -path ./var/cache -prune \
        -o -path ./var/log -prune -o -path ./run -prune -o -path ./tmp -prune -o -path ./etc/.pwd.lock -o -name '*passwd*' -o -name '*group*' \
        -o -name '*shadow*' -o -print) | LC_ALL=C sort
}

if [ ! -e "$base/etc/debian_version" ]; then
    step "debootstrap $base"
    rm -rf "$base"
    mkdir -p "$base"
    debootstrap --variant=minbase --include=procps,systemd,python3 "${RELEASE:-bookworm}" "$base" >"$work/debootstrap.log" 2>&1 ||
        { cat "$work/debootstrap.log"; fail debootstrap; }
fi
cp --archive "$base" "$root"
# The same mirror as this machine, and no services.
if [ -d /etc/apt/apt.conf.d ]; then cp /etc/apt/apt.conf.d/*registry* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true; fi
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
list_files >"$work/before"

step "a second version, with another default policy"
dpkg-deb --raw-extract "$package" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
echo '# changed in the next version' >>"$work/next/etc/chrysaetos/policy.yaml"
echo '# changed in the next version' >>"$work/next/etc/chrysaetos/aetos.conf"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/next" "$work/next.deb" >/dev/null

step install
install_package "$package"
check '[ "$(stat -c %a:%U:%G /etc/chrysaetos/aetos.conf)" = 640:root:chrysaetos ]'
check 'getent passwd chrysaetos chrysaetos-federate | grep -c nologin | grep -qx 2'
check 'chrysaetos --version && [ "$(readlink /usr/bin/chrysaetos)" = /opt/chrysaetos/bin/chrysaetos ]'
check '! grep -rIl /build/deb/ /opt/chrysaetos /usr/lib/systemd/system /var/lib/dpkg/info/chrysaetos.*'
check 'for unit in gateway.service gateway.socket usage.service federate.service; do
    ! systemctl is-enabled --quiet "chrysaetos-$unit"; done'
touch "$root/etc/chrysaetos/usage-openrc"
check 'groupadd --system haproxy && systemd-analyze verify /lib/systemd/system/chrysaetos-*'

step "the gateway as its user"
check 'install -d -o chrysaetos /run/chrysaetos'
# The chroot has the ports of the machine, on which another gateway may run.
inside OS_GATEWAY__METRICS_PORT=0 runuser -u chrysaetos -- timeout 60 chrysaetos gateway --config-file /etc/chrysaetos/aetos.conf >"$work/gateway.log" 2>&1 &
gateway=$!
answer=
for _ in $(seq 50); do
    kill -0 "$gateway" 2>/dev/null || break
    [ -S "$root/run/chrysaetos/gateway.sock" ] || { sleep 1; continue; }
    answer=$(inside runuser -u chrysaetos -- /opt/chrysaetos/bin/python -c '
import socket
connection = socket.socket(socket.AF_UNIX)
connection.connect("/run/chrysaetos/gateway.sock")
connection.sendall(b"GET /metric-storage/healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
print(connection.recv(100).split(b"\r\n")[0].decode())') && break
    sleep 1
done
kill "$gateway" 2>/dev/null || true
wait "$gateway" || true
[ "$answer" = "HTTP/1.1 200 OK" ] || { cat "$work/gateway.log"; fail "the gateway answers '$answer'"; }
check 'rm -r /run/chrysaetos && groupdel haproxy && find /opt/chrysaetos -newer /etc/chrysaetos/usage-openrc | grep . && exit 1 || true'

step "upgrade: edited files are kept, others are replaced, units stay enabled"
check 'sed -i s/CHANGE-THIS/secret/ /etc/chrysaetos/aetos.conf && systemctl enable --quiet chrysaetos-gateway.socket'
install_package "$work/next.deb"
check 'dpkg-query --show --showformat "\${Version}" chrysaetos | grep -q next$'
check 'grep -q "^password = secret" /etc/chrysaetos/aetos.conf && ! grep -q "next version" /etc/chrysaetos/aetos.conf'
check '[ "$(stat -c %a:%U:%G /etc/chrysaetos/aetos.conf)" = 640:root:chrysaetos ]'
check 'grep -q "next version" /etc/chrysaetos/policy.yaml'
check 'systemctl is-enabled --quiet chrysaetos-gateway.socket && chrysaetos --version'

step "gateway init replaces the example, and runs again after an upgrade"
inside chrysaetos gateway init --system --yes --force --keystone-url https://cloud.example/identity \
    --public-url https://cloud.example/metric-storage >/dev/null
check 'grep -q "^auth_url = https://cloud.example/identity" /etc/chrysaetos/aetos.conf && ls /etc/systemd/system/chrysaetos-gateway.service'
check 'chrysaetos gateway init --system | grep -x "All files are current."'

step "remove: the configuration stays"
inside apt-get remove --yes --quiet=2 chrysaetos >"$work/apt.log" 2>&1
check '[ ! -e /opt/chrysaetos ] && [ ! -e /usr/bin/chrysaetos ] && ! ls /lib/systemd/system/chrysaetos-* 2>/dev/null'
check 'grep -q "^password = secret" /etc/chrysaetos/aetos.conf'

step "install again, then purge: nothing stays but the users"
install_package "$package"
check 'grep -q "^password = secret" /etc/chrysaetos/aetos.conf'
check 'mkdir -p /var/lib/private/chrysaetos-usage && ln -s private/chrysaetos-usage /var/lib/chrysaetos-usage'
inside apt-get purge --yes --quiet=2 chrysaetos >"$work/apt.log" 2>&1
check '! dpkg-query --show chrysaetos 2>/dev/null | grep .'
# dpkg removes /opt if it is empty, although base-files creates it.
mkdir -p "$root/opt"
list_files >"$work/after"
diff "$work/before" "$work/after" || fail "files that purge left or removed"
echo "all steps passed"
