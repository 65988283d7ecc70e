"""The installation guide, command by command, as root with private copies of /etc, /opt and /root.

``systemctl`` is replaced, since systemd does not run in every test environment: the substitute starts the
command of the unit as its user, with its socket.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import trustme
from tests.e2e.stack import Window, create_people, store_text
from tests.support.commands import run

from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, free_port
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from chrysaetos.demo.identities import Account

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-to" / "install.md"

NOT_RUN = (
    "pip wheel --no-deps",  # the package is installed
    "python3 -m venv",
    "/opt/chrysaetos/bin/pip install",
    "ln -s /opt/chrysaetos/bin/chrysaetos",  # PATH has it
    "prometheus --web.listen-address",  # runs
)
INTERACTIVE = "/opt/chrysaetos/bin/chrysaetos gateway init --system --register"

PRIVATE_FILES = """\
set -euo pipefail
cd {folder}
mkdir layers
mount -t tmpfs tmpfs layers
for name in etc opt root; do
    mkdir -p "layers/$name.new" "layers/$name.work"
    mount -t overlay overlay -o "lowerdir=/$name,upperdir=layers/$name.new,workdir=layers/$name.work" "/$name"
done
# The user of the service can read the interpreter, wherever the tests' own is.
chmod a+rx /root
mount -t tmpfs tmpfs /run
mkdir -p /opt/chrysaetos /etc/haproxy /etc/prometheus
mount --bind {environment} /opt/chrysaetos
export PATH="{folder}/bin:/opt/chrysaetos/bin:$PATH" HOME={folder}
unset NO_PROXY no_proxy "${{!OS_@}}"
set -x
"""

SYSTEMCTL = """\
#!/bin/bash
set -euo pipefail
unit=/etc/systemd/system/chrysaetos-gateway
of() { sed -n "s/^$2=//p" "$unit.$1"; }
case "$*" in
    "enable --now chrysaetos-gateway.socket chrysaetos-gateway.service")
        socket=$(of socket ListenStream)
        user=$(of service User)
        mkdir -p "$(dirname "$socket")"
        # shellcheck disable=SC2046 # the words of the command
        setpriv --reuid "$user" --regid "$user" --clear-groups $(of service ExecStartPre)
        # shellcheck disable=SC2046 # the words of the command
        setsid systemd-socket-activate --listen="$socket" \\
            setpriv --reuid "$user" --regid "$user" --clear-groups \\
            $(of service ExecStart) > gateway.log 2>&1 &
        for _ in {1..100}; do
            [ -S "$socket" ] && chown "$(of socket SocketUser):$(of socket SocketGroup)" "$socket" &&
                chmod "$(of socket SocketMode)" "$socket" &&
                curl --silent --fail --unix-socket "$socket" http://localhost/healthcheck && break
            sleep 0.1
        done ;;
    "reload haproxy") haproxy -D -f /etc/haproxy/haproxy.cfg; sleep 1 ;;
    "daemon-reload") systemd-analyze verify "$unit.service" "$unit.socket" ;;
    "restart chrysaetos-gateway") ;;
    *) echo "unexpected: systemctl $*" >&2; exit 1 ;;
esac
"""


def commands() -> list[str]:
    """Return the commands of the guide: its indented blocks, with continued lines joined."""
    text = re.sub(r"(?ms)^```.*?^```$", "", GUIDE.read_text()).replace("\\\n", " ")
    found = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    for words in (*NOT_RUN, INTERACTIVE):
        assert any(command.startswith(words) for command in found), words
    return [command for command in found if not command.startswith(NOT_RUN) and command != INTERACTIVE]


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def write_credentials(folder: Path, keystone: Keystone, tenant: Account) -> None:
    """Write the administrator's openrc file, and the clouds.yaml of a tenant."""
    names = {
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_PROJECT_NAME": "admin",
    }
    login = {"OS_USERNAME": "admin", "OS_PASSWORD": keystone.admin_password, "OS_PROJECT_NAME": "admin"}
    lines = (
        f"export {name}={value}\n" for name, value in {"OS_AUTH_URL": keystone.url, **login, **names}.items()
    )
    (folder / "admin-openrc").write_text("".join(lines))
    auth = {
        "auth_url": keystone.url,
        "user_id": tenant.user_id,
        "password": tenant.password,
        "project_id": tenant.project_id,
    }
    clouds = {"clouds": {"mycloud": {"auth": auth, "cacert": str(folder / "ca.pem")}}}
    (folder / "clouds.yaml").write_text(json.dumps(clouds))


@pytest.mark.skipif(os.geteuid() != 0, reason="the guide is for root")
def test_the_guide_installs_a_gateway_that_a_tenant_can_use(tmp_path: Path) -> None:
    if run(["unshare", "--mount", "true"]).status != 0:
        pytest.skip("this environment does not permit mounts")
    # A shell in between: setpriv itself starts a program with the rights of root.
    readable = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", 'test -r "$0"']
    if run([*readable, str(GUIDE)]).status != 0:
        pytest.skip("other users cannot read this checkout")
    port = free_port()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(tmp_path / "chain.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    program(tmp_path / "bin" / "systemctl", SYSTEMCTL)
    program(tmp_path / "bin" / "journalctl", "#!/bin/sh\ncat gateway.log\n")
    with Keystone(tmp_path / "keystone") as keystone:
        api = IdentityApi(keystone.url, keystone.admin_password)
        people = create_people(api, keystone.admin_password)
        api.call("DELETE", f"/users/{people.gateway.user_id}")  # the guide creates it
        api.close()
        write_credentials(tmp_path, keystone, people.a)
        store = Prometheus(tmp_path / "store")
        window = Window.around((tmp_path / "key.pem").stat().st_mtime)
        store.backfill(store_text(window, str(people.a.project_id), str(people.b.project_id)))
        replaced = {
            "https://cloud.example/identity": keystone.url,
            "https://cloud.example/metric-storage": f"https://localhost:{port}/metric-storage",
            "http://127.0.0.1:9090": f"http://{LOOPBACK}:{store.port}",
            "--certificate": f"--metrics {LOOPBACK}:{free_port()} --certificate",
        }
        script = "\n".join((*commands(), "stat -c 'mode %a %U:%G' /etc/chrysaetos/aetos.conf"))
        for example, value in replaced.items():
            script = script.replace(example, value)
        script = PRIVATE_FILES.format(folder=tmp_path, environment=Path(sys.prefix)) + script
        with store:
            namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            done = run([*namespaces, "bash", "-c", script], timeout=200)
            query = {"query": f'count({{project="{people.a.project_id}"}})'}
            answer = requests.get(f"{store.url}/api/v1/query", params=query, timeout=10).json()
    log = done.printed + done.err
    assert done.status == 0, log
    assert '{"ready": true, "keystone": "ok", "prometheus": "ok"}' in done.printed, log
    assert "listening on /run/chrysaetos/gateway.sock; workers 1; path prefix /metric-storage" in done.printed
    assert "mode 640 root:chrysaetos" in done.printed
    # The tenant's series, and not those of others.
    assert re.search(rf"\b{answer['data']['result'][0]['value'][1]}\b", done.printed.partition("valid")[2]), (
        log
    )
    assert "All files are current." in done.printed
    # Before the start and before the upgrade. Nothing serves the catalog's address before the start.
    checks = re.findall(r"errors: (\d+), warnings: \d+", done.printed)
    assert checks == ["0", "0", "0"], log
