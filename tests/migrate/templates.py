"""Configurations of Watcher as deployment tools write them, with sample values.

Only the sections that concern the move, and some next to them, as of 2026: DevStack's jobs of Watcher,
kolla-ansible's role, watcher-operator and charm-watcher.
"""

from __future__ import annotations

__all__ = ["TEMPLATES"]

_KEYSTONE = """\
auth_url = http://192.0.2.10:5000
auth_type = password
username = watcher
password = secret
project_name = service
"""

TEMPLATES = {
    "devstack": f"""\
[DEFAULT]
debug = True
control_exchange = watcher

[database]
connection = mysql+pymysql://root:secret@192.0.2.10/watcher?charset=utf8

[watcher_clients_auth]
interface = public
memcached_servers = localhost:11211
{_KEYSTONE}user_domain_name = Default
project_domain_name = Default

[nova]
{_KEYSTONE}user_domain_name = Default
project_domain_name = Default

[watcher_datasources]
datasources = prometheus

[prometheus_client]
host = 192.0.2.10
port = 9090
""",
    # The role has no datasources; operators add them in config/watcher.conf, which is merged.
    "kolla-ansible": f"""\
[DEFAULT]
debug = False
log_dir = /var/log/kolla/watcher
transport_url = rabbit://openstack:secret@192.0.2.11:5672//

[database]
connection = mysql+pymysql://watcher:secret@192.0.2.9:3306/watcher
connection_recycle_time = 10
max_retries = -1

[watcher_clients_auth]
auth_uri = http://192.0.2.9:5000
project_domain_id = default
user_domain_id = default
cafile =
{_KEYSTONE}
[oslo_concurrency]
lock_path = /var/lib/watcher/tmp

[watcher_datasources]
datasources = prometheus,gnocchi

[prometheus_client]
host = 192.0.2.9
port = 9091
username = admin
password = secret
fqdn_label = instance

[nova_client]
endpoint_type = internalURL
""",
    "kolla-ansible, default datasources": f"""\
[DEFAULT]
debug = False

[watcher_clients_auth]
auth_uri = http://192.0.2.9:5000
project_domain_id = default
user_domain_id = default
{_KEYSTONE}
[prometheus_client]
host = 192.0.2.9
port = 9091
""",
    "watcher-operator": f"""\
[DEFAULT]
state_path = /var/lib/watcher
control_exchange = watcher
# no notifications
notification_level =

[watcher_clients_auth]
project_domain_name = Default
user_domain_name = Default
{_KEYSTONE}interface = internal
cafile = /etc/pki/tls/certs/ca-bundle.crt

[watcher_datasources]
datasources = prometheus

[prometheus_client]
host = metric-storage-prometheus.openstack.svc
port = 9090
cafile = /etc/pki/tls/certs/ca-bundle.crt

[aetos_client]
endpoint_type = internal
region_name = regionOne

[cinder_client]
endpoint_type = internal
region_name = regionOne

[nova_client]
endpoint_type = internal
region_name = regionOne

[watcher_cluster_data_model_collectors.compute]
period = 900
""",
    "charm": f"""\
[DEFAULT]
debug = False

[collector]
collector_plugins = compute,storage

[nova_client]
# internal endpoints
endpoint_type = internalURL

region_name = RegionOne

[watcher_clients_auth]
auth_uri = http://192.0.2.12:5000
project_domain_name = service_domain
user_domain_name = service_domain
{_KEYSTONE}
[watcher_datasources]
# in order of preference
datasources = gnocchi,prometheus

[prometheus_client]
host = 192.0.2.13
port = 9090
instance_uuid_label = vm_uuid

[watcher_decision_engine]
max_workers = 4

[watcher_planner]
planner = weight
""",
}
"""Content of watcher.conf by deployment tool."""
