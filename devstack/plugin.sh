# shellcheck shell=bash
# DevStack plugin of the gateway. In local.conf:
#
#     enable_plugin chrysaetos URL_OF_THE_REPOSITORY
#
# stack.sh, unstack.sh and clean.sh source this file with a mode and, for stack, a phase.

function install_chrysaetos {
    # Not setup_develop: it takes each "name =" in pyproject.toml as a package that upper-constraints.txt must not have.
    setup_package "$CHRYSAETOS_DIR" -e cli,gateway,memcached
}

function configure_chrysaetos {
    sudo install -d -o "$STACK_USER" -m 0750 "$CHRYSAETOS_CONF_DIR"
    # The file contains a password.
    install -m 0640 /dev/null "$CHRYSAETOS_CONF"
    install -m 0644 "$CHRYSAETOS_DIR/deploy/policy.yaml" "$CHRYSAETOS_CONF_DIR/policy.yaml"

    local port=$CHRYSAETOS_PORT
    if is_service_enabled tls-proxy; then
        port=$CHRYSAETOS_PORT_INT
    fi
    iniset "$CHRYSAETOS_CONF" DEFAULT debug "$ENABLE_DEBUG_LOG_LEVEL"
    iniset "$CHRYSAETOS_CONF" gateway host "$(ipv6_unquote "$SERVICE_HOST")"
    iniset "$CHRYSAETOS_CONF" gateway port "$port"
    iniset "$CHRYSAETOS_CONF" gateway metrics_port "$CHRYSAETOS_METRICS_PORT"
    iniset "$CHRYSAETOS_CONF" prometheus host "$CHRYSAETOS_PROMETHEUS_HOST"
    iniset "$CHRYSAETOS_CONF" prometheus port "$CHRYSAETOS_PROMETHEUS_PORT"
    iniset "$CHRYSAETOS_CONF" prometheus project_label_name "$CHRYSAETOS_PROJECT_LABEL"
    iniset "$CHRYSAETOS_CONF" oslo_policy policy_file "$CHRYSAETOS_CONF_DIR/policy.yaml"
    configure_keystone_authtoken_middleware "$CHRYSAETOS_CONF" chrysaetos
    # Without tls-proxy, DevStack names a file that it does not write.
    if [[ ! -f $SSL_BUNDLE_FILE ]]; then
        inidelete "$CHRYSAETOS_CONF" keystone_authtoken cafile
    fi
}

function create_chrysaetos_accounts {
    create_service_user chrysaetos
    get_or_create_service aetos metric-storage "Prometheus metrics"
    get_or_create_endpoint metric-storage "$REGION_NAME" "$CHRYSAETOS_URL" "$CHRYSAETOS_URL" "$CHRYSAETOS_URL"
}

# Who can reach Prometheus sees the series of all projects: it listens on loopback only.
function configure_chrysaetos_prometheus {
    local address=127.0.0.1:$CHRYSAETOS_PROMETHEUS_PORT
    echo "ARGS=\"--web.listen-address=$address\"" | sudo tee /etc/default/prometheus >/dev/null
    sudo tee /etc/prometheus/prometheus.yml >/dev/null <<EOF
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["$address"]
  - job_name: chrysaetos
    static_configs:
      - targets: ["127.0.0.1:$CHRYSAETOS_METRICS_PORT"]
EOF
}

function start_chrysaetos {
    run_process chrysaetos "$(get_python_exec_prefix)/chrysaetos gateway --config-file $CHRYSAETOS_CONF"
    if is_service_enabled tls-proxy; then
        start_tls_proxy chrysaetos '*' "$CHRYSAETOS_PORT" "$SERVICE_HOST" "$CHRYSAETOS_PORT_INT"
    fi
    # Ready means that Keystone and Prometheus answer too.
    wait_for_service "$SERVICE_TIMEOUT" "$CHRYSAETOS_URL/-/ready" ||
        die $LINENO "The gateway is not ready: see $CHRYSAETOS_URL/-/ready and journalctl -u devstack@chrysaetos"
}

# vector(1) needs no series, so it tells only whether a tenant gets an answer.
function check_chrysaetos {
    "$(get_python_exec_prefix)/chrysaetos" query 'vector(1)' --os-cloud devstack ||
        die $LINENO "The project demo gets no answer from the gateway"
}

if is_service_enabled chrysaetos; then
    case "$1:${2:-}" in
        stack:pre-install)
            if is_service_enabled chrysaetos-prometheus; then
                install_package prometheus
            fi
            ;;
        stack:install)
            echo_summary "Installing Chrysaetos"
            install_chrysaetos
            ;;
        stack:post-config)
            echo_summary "Configuring Chrysaetos"
            configure_chrysaetos
            create_chrysaetos_accounts
            if is_service_enabled chrysaetos-prometheus; then
                configure_chrysaetos_prometheus
            fi
            ;;
        stack:extra)
            echo_summary "Starting Chrysaetos"
            if is_service_enabled chrysaetos-prometheus; then
                restart_service prometheus
            fi
            start_chrysaetos
            ;;
        stack:test-config)
            check_chrysaetos
            ;;
        unstack:*)
            stop_process chrysaetos
            if is_service_enabled chrysaetos-prometheus; then
                stop_service prometheus
            fi
            ;;
        clean:*)
            sudo rm -rf "$CHRYSAETOS_CONF_DIR"
            if is_service_enabled chrysaetos-prometheus; then
                uninstall_package prometheus
            fi
            ;;
    esac
fi
