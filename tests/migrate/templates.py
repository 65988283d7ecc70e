"""Configurations of Watcher as deployment tools write them, with sample values.

Only the sections that concern the move, and some next to them, as of 2026: DevStack's jobs of Watcher,
kolla-ansible's role, watcher-operator, charm-watcher, puppet-watcher and the chart of openstack-helm.
openstack-ansible has no role for Watcher.
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

_OPERATOR = """\
[DEFAULT]
state_path = /var/lib/watcher
control_exchange = watcher
# no notifications
notification_level =

[watcher_clients_auth]
@@
interface = internal
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
    "watcher-operator": _OPERATOR.replace(
        "@@", f"project_domain_name = Default\nuser_domain_name = Default\n{_KEYSTONE}"
    ),
    "watcher-operator, application credential": _OPERATOR.replace(
        "@@",
        "auth_type = v3applicationcredential\napplication_credential_id = 0123\n"
        "application_credential_secret = secret\nauth_url = http://192.0.2.10:5000",
    ),
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
    # The class watcher::datasources writes a section that no release of Watcher reads.
    "puppet": f"""\
[DEFAULT]
control_exchange=watcher

[watcher_clients_auth]
project_domain_name=Default
user_domain_name=Default
{_KEYSTONE}
[prometheus_client]
host=192.0.2.14
port=9090
fqdn_label=fqdn_host

[datasources]
datasources=prometheus
query_max_retries=5
""",
    # The chart has no datasources; they are values of conf.watcher. Sections and options are sorted.
    "openstack-helm": """\
[DEFAULT]
log_config_append = /etc/watcher/logging.conf
transport_url = rabbit://watcher:secret@rabbitmq.openstack.svc.cluster.local:5672/watcher

[api]
host = 0.0.0.0
port = 9322

[keystone_authtoken]
auth_type = password
auth_version = v3

[oslo_concurrency]
lock_path = /var/lock

[prometheus_client]
host = prom-metrics.openstack.svc.cluster.local
instance_uuid_label = vm_uuid
port = 80

[watcher_clients_auth]
insecure = false

[watcher_datasources]
datasources = prometheus

[watcher_strategies.workload_balance]
datasources = prometheus,gnocchi
""",
}
"""Content of watcher.conf by deployment tool."""
