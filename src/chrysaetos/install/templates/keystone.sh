#!/bin/sh
# Registers the gateway in Keystone, as an administrator: set OS_CLOUD or source an openrc file first. It needs the command
# `openstack`, and can be run again. On a machine with other users, who can see the arguments of commands, use
# `chrysaetos gateway init --register` instead: it does the same without a password in an argument.
set -eu

password=$(sed -n '/^\[keystone_authtoken\]/,/^\[/ s/^password *= *//p' '@@DIRECTORY@@/aetos.conf' | sed 's/\$\$/$/g')
[ "$password" != '@@EXAMPLE_PASSWORD@@' ] || { echo '@@DIRECTORY@@/aetos.conf still has the example password' >&2; exit 1; }

# The user that validates tokens.
openstack project create --or-show --domain default service
openstack role create --or-show service
openstack user create --or-show --domain default --password "$password" @@SERVICE_USER@@
openstack role add --project service --project-domain default --user @@SERVICE_USER@@ --user-domain default service

# The entry in the catalog.
openstack service show metric-storage 2>/dev/null ||
    openstack service create --name aetos --description 'Prometheus metrics' metric-storage
for interface in public internal; do
    [ -n "$(openstack endpoint list --service metric-storage --interface "$interface" --region @@REGION@@ -f value -c ID)" ] ||
        openstack endpoint create --region @@REGION@@ metric-storage "$interface" @@PUBLIC_URL@@
done
