"""Faults of the gateway that its unit tests must find."""

__all__ = ["GATEWAY"]

RELAY = ("gateway/proxy/relay.py", "gateway/proxy/test_relay.py")
PROXY = ("gateway/proxy/proxy.py", "gateway/proxy/test_proxy.py")
ADMISSION = ("gateway/proxy/admission.py", "gateway/proxy/test_admission.py")
COALESCING = ("gateway/proxy/coalescing.py", "gateway/proxy/test_coalescing.py")
LIMITS = ("gateway/proxy/limits.py", "gateway/proxy/test_limits.py")
HEALTH = ("gateway/own/health.py", "gateway/own/test_health.py")
INTROSPECTION = ("gateway/own/introspection.py", "gateway/own/test_introspection.py")
FILTERING = ("gateway/proxy/filtering.py", "gateway/proxy/test_filtering.py")
FILTERING_ENGINE = ("gateway/proxy/filtering.py", "gateway/proxy/test_engine_scoping.py")
SCOPING = ("gateway/proxy/scoping.py", "gateway/proxy/test_scoping.py")
UPSTREAM_ERRORS = ("gateway/proxy/upstream_errors.py", "gateway/proxy/test_upstream_errors.py")
OFFLOAD = ("gateway/proxy/offload.py", "gateway/proxy/test_offload.py")
QUERY_BUDGETS = ("gateway/proxy/query_budgets.py", "gateway/proxy/test_query_budgets.py")
CPU_BUDGET = ("gateway/proxy/cpu_budget.py", "gateway/proxy/test_cpu_budget.py")
COSTS = ("gateway/proxy/costs.py", "gateway/proxy/test_budgeted_queries.py")
ENGINE_OPTIONS = ("gateway/proxy/engine_options.py", "gateway/proxy/test_engine_options.py")

_NAMES = """target = self._names.get(scope.matcher)
        if target is None:
            selector = quote_plus(f"{{{scope.matcher}}}").encode("ascii")
            target = b"/api/v1/label/__name__/values?match[]=" + selector
            self._names.put(scope.matcher, target)"""

# Module and its tests, the test that finds the fault soonest, a part of the module, and its replacement.
GATEWAY = {
    "a refused response keeps its connection": (
        RELAY,
        "test_the_connection_of_a_response_that_is_not_for_clients_is_released",
        "in NOT_FOR_CLIENTS:\n        response.abort()",
        "in NOT_FOR_CLIENTS:\n        pass",
    ),
    "a cancelled response keeps its connection": (
        RELAY,
        "test_cancelling_while_sending_releases_the_upstream_connection",
        "finally:\n        response.abort()",
        "finally:\n        pass",
    ),
    "the upstream's 403 is passed on": (
        RELAY,
        "test_responses_meant_for_the_gateway_are_not_relayed",
        "frozenset({401, 403, 407})",
        "frozenset({401, 407})",
    ),
    "every header is passed on": (
        RELAY,
        "test_a_complete_response_is_one_piece_with_few_headers",
        " if header[0] in _PASSED]",
        "]",
    ),
    "a slot is never released": (
        LIMITS,
        "test_slot_of_a_request_is_released_whatever_happens",
        "            self._limits.release(self.project)\n",
        "            pass\n",
    ),
    "a response that was sent counts for ever": (
        LIMITS,
        "test_slot_of_a_request_is_released_whatever_happens",
        "            self._limits.stop_sending(self)\n",
        "            pass\n",
    ),
    "a response that is sent keeps its slot": (
        LIMITS,
        "test_a_response_that_is_sent_holds_no_slot_but_counts_for_its_project",
        "        self.sending += 1\n        self.in_use -= 1\n",
        "        self.sending += 1\n",
    ),
    "a query is scoped before its request has a slot": (
        PROXY,
        "test_steps_are_taken_in_their_order_and_the_slot_is_released_before_sending",
        "        if not limits.try_acquire(project):\n",
        (
            "        await self._bind(_Call(request, target, scope, project, budget, exchange))\n"
            "        if not limits.try_acquire(project):\n"
        ),
    ),
    "errors in another format reach tenants": (
        PROXY,
        "test_a_position_in_an_error_is_in_the_callers_text",
        "scope.unrestricted or response.status < 400 or",
        "True or",
    ),
    "operators' endpoints are open": (
        ADMISSION,
        "test_a_scoped_caller_is_rejected_where_the_response_is_about_all_projects",
        "if endpoint.action is _OPERATOR and not scope.unrestricted:",
        "if False:",
    ),
    "an old response is shared": (
        COALESCING,
        "test_old_request_is_not_joined",
        "now - request.since > self._max_age",
        "False",
    ),
    "a project has no limit": (
        LIMITS,
        "test_slots_are_taken_and_released",
        "if running >= self._each or self.in_use",
        "if self.in_use",
    ),
    "a cancelled waiter keeps its slot": (
        LIMITS,
        "test_cancelled_when_a_slot_is_assigned_releases_it",
        "not waiter.cancelled():\n                self.release(project)",
        "not waiter.cancelled():\n                pass",
    ),
    "an engine without a health path is not ready": (
        HEALTH,
        "test_readiness_depends_on_the_upstreams_status",
        "{200, 404}",
        "{200}",
    ),
    "a long answer holds up other requests": (
        INTROSPECTION,
        "test_other_tasks_run_between_decisions",
        "await asyncio.sleep(0)",
        "pass",
    ),
    "a tenant gets the metadata of all metrics": (
        FILTERING,
        "test_a_tenant_gets_the_metadata_of_its_metrics",
        'quote_plus(f"{{{scope.matcher}}}")',
        "quote_plus('{__name__!=\"\"}')",
    ),
    "the metric names of one scope are those of another": (
        FILTERING,
        "test_each_scope_of_metadata_is_encoded_once",
        _NAMES,
        _NAMES.replace("get(scope.matcher)", 'get("")').replace("put(scope.matcher", 'put(""'),
    ),
    "an error of the upstream is filtered like a response": (
        FILTERING,
        "test_an_invalid_response_is_not_relayed",
        "if response.status != 200:",
        "if False:",
    ),
    "a filtered response has no limit": (
        FILTERING,
        "test_the_limit_on_filtered_responses_is_configurable",
        "response.read(self._limit)",
        "response.read(1 << 40)",
    ),
    "filtered responses of the engine's tenants are shared": (
        FILTERING,
        "test_responses_for_other_tenants_of_the_engine_are_not_shared",
        "key = (target, headers)",
        "key = (target, ())",
    ),
    "a refused response to filter keeps its connection": (
        FILTERING,
        "test_a_refused_response_releases_its_connection",
        "finally:\n            response.abort()",
        "finally:\n            pass",
    ),
    "the engine does not scope what is filtered": (
        FILTERING_ENGINE,
        "test_only_scoped_requests_have_the_additions",
        "additions.added_to(target), headers))\n        return",
        "target, headers))\n        return",
    ),
    "the engine does not scope the names of metrics": (
        FILTERING_ENGINE,
        "test_only_scoped_requests_have_the_additions",
        "additions.added_to(target), headers))\n            metric",
        "target, headers))\n            metric",
    ),
    "what is filtered has no header of the scope": (
        FILTERING_ENGINE,
        "test_only_scoped_requests_have_the_additions",
        "(*_HEADERS, *additions.headers)",
        "_HEADERS",
    ),
    "a long remote read of a tenant is not scoped": (
        SCOPING,
        "test_an_unrestricted_remote_read_is_not_refused_for_the_sake_of_its_texts",
        "if not scope.unrestricted:",
        "if not scope.unrestricted and in_place:",
    ),
    "a long query is scoped in the event loop": (
        SCOPING,
        "test_what_takes_long_to_decode_is_decoded_elsewhere",
        "self._bounds, in_place=_is_short(scope, size)",
        "self._bounds, in_place=True",
    ),
    "the length of a scope does not count": (
        SCOPING,
        "test_the_selector_of_many_projects_is_encoded_once_and_elsewhere",
        " and len(scope.matcher) <= _IN_PLACE_BYTES",
        "",
    ),
    "very many cached texts are not refused": (
        SCOPING,
        "test_cached_texts_are_free_unless_there_are_very_many",
        "        budget.check(project)\n",
        "",
    ),
    "very many cached texts are free": (
        SCOPING,
        "test_cached_texts_are_free_unless_there_are_very_many",
        "budget.charge(project, time.thread_time() - began)",
        "pass",
    ),
    "an error in another format is relayed": (
        UPSTREAM_ERRORS,
        "test_any_other_error_is_replaced",
        "if fields is None or any(map(is_of_a_store, _messages(fields))):",
        "if fields is not None and any(map(is_of_a_store, _messages(fields))):",
    ),
    "a compressed error may have any length": (
        UPSTREAM_ERRORS,
        "test_any_other_error_is_replaced",
        "decompress(body, MAX_ERROR_BYTES)",
        "decompress(body)",
    ),
    "a changed error is declared compressed": (
        UPSTREAM_ERRORS,
        "test_a_changed_message_is_sent_uncompressed_with_its_length",
        '{b"content-encoding", b"content-length"}',
        '{b"content-length"}',
    ),
    "an error about a query is a missing endpoint": (
        UPSTREAM_ERRORS,
        "test_any_other_response_of_an_engine_is_kept",
        "_envelope(content) is None and (",
        "(",
    ),
    "a project without budget runs jobs": (
        OFFLOAD,
        "test_a_project_that_has_used_its_budget_gets_an_error_and_its_short_jobs_move_out",
        "            self.budget.check(project)\n",
        "",
    ),
    "jobs are free": (
        OFFLOAD,
        "test_a_job_that_takes_too_long_is_given_up",
        "self.budget.charge(project, seconds)",
        "pass",
    ),
    "short jobs of a busy project block the event loop": (
        OFFLOAD,
        "test_a_project_that_has_used_its_budget_gets_an_error_and_its_short_jobs_move_out",
        "if in_place and self.budget.used(project) <= _IN_PLACE_USED:",
        "if in_place:",
    ),
    "a limit of 0 is no limit": (
        QUERY_BUDGETS,
        "test_a_caller_can_only_lower_a_limit",
        "min(given, limit) if given >= 1 else limit",
        "min(given, limit)",
    ),
    "a caller's own limit is sent beside the budget": (
        QUERY_BUDGETS,
        "test_a_caller_can_only_lower_a_limit",
        "if limit is None:",
        "if True:",
    ),
    "callers share the budget of other roles": (
        QUERY_BUDGETS,
        "test_callers_of_one_project_have_the_budgets_of_their_own_roles",
        "(project, domain, caller.roles)",
        "(project, domain)",
    ),
    "the default precedes the budget of a project": (
        QUERY_BUDGETS,
        "test_the_most_specific_budget_applies",
        "{**self._default, **roles, **of_domain, **of_project}",
        "{**of_project, **of_domain, **roles, **self._default}",
    ),
    "CPU time has no limit": (
        CPU_BUDGET,
        "test_a_project_that_has_used_its_budget_is_refused_until_enough_is_forgotten",
        "if used >= 1:",
        "if used >= 99:",
    ),
    "only the last job counts": (
        CPU_BUDGET,
        "test_a_project_that_has_used_its_budget_is_refused_until_enough_is_forgotten",
        "self.used(project) * self._seconds + seconds",
        "seconds",
    ),
    "an idle project saves up CPU time": (
        CPU_BUDGET,
        "test_a_project_that_has_used_its_budget_is_refused_until_enough_is_forgotten",
        "max(0.0, used / self._seconds - (self._clock() - at) / self._window)",
        "used / self._seconds - (self._clock() - at) / self._window",
    ),
    "an estimate has no limit": (
        COSTS,
        "test_a_budget_is_named_where_the_engine_does_not_estimate",
        "response.read(MAX_ERROR_BYTES)",
        "response.read(1 << 40)",
    ),
    "an estimate has no header of the scope": (
        COSTS,
        "test_a_query_over_its_budget_is_422_with_the_budget_and_the_cost",
        "[*_HEADERS, *additions.headers]",
        "list(_HEADERS)",
    ),
    "an estimate has no parameter of the scope": (
        COSTS,
        "test_a_query_over_its_budget_is_422_with_the_budget_and_the_cost",
        'bound.body or b"", additions.parameters)',
        'bound.body or b"")',
    ),
    "a refused estimate keeps its connection": (
        COSTS,
        "test_a_budget_is_named_where_the_engine_does_not_estimate",
        "finally:\n            response.abort()",
        "finally:\n            pass",
    ),
    "Thanos may ignore the labels of metrics": (
        ENGINE_OPTIONS,
        "test_an_invalid_option_fails_the_start_and_is_named",
        'engine == "thanos" and labels.entries',
        "False",
    ),
    "the engine's own parameters are lost": (
        ENGINE_OPTIONS,
        "test_victoria_metrics_gets_the_scope_as_selectors",
        "_PARAMETERS.get(engine, {})",
        "{}",
    ),
    "a replaced header is sent twice": (
        ENGINE_OPTIONS,
        "test_the_operator_can_add_and_replace_templates",
        "if name.lower() not in names",
        "if name not in names",
    ),
}
