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

# Module and its tests, a part of the module, and its replacement.
GATEWAY = {
    "a refused response keeps its connection": (
        RELAY,
        "in NOT_FOR_CLIENTS:\n        response.abort()",
        "in NOT_FOR_CLIENTS:\n        pass",
    ),
    "a cancelled response keeps its connection": (
        RELAY,
        "finally:\n        response.abort()",
        "finally:\n        pass",
    ),
    "the upstream's 403 is passed on": (RELAY, "frozenset({401, 403, 407})", "frozenset({401, 407})"),
    "every header is passed on": (RELAY, " if header[0] in _PASSED]", "]"),
    "a slot is never released": (
        LIMITS,
        "            self._limits.release(self._project)\n",
        "            pass\n",
    ),
    "a response that was sent counts for ever": (
        LIMITS,
        "            self._limits.stop_sending(self._sending)\n",
        "            pass\n",
    ),
    "a response that is sent keeps its slot": (
        LIMITS,
        "        self.sending += 1\n        self.in_use -= 1\n",
        "        self.sending += 1\n",
    ),
    "a query is scoped before its request has a slot": (
        PROXY,
        "        if not limits.try_acquire(project):\n",
        (
            "        await self._bind(_Call(request, target, scope, project, caller, exchange), receive)\n"
            "        if not limits.try_acquire(project):\n"
        ),
    ),
    "errors in another format reach tenants": (
        PROXY,
        "scope.unrestricted or response.status < 400 or",
        "True or",
    ),
    "operators' endpoints are open": (
        ADMISSION,
        "if endpoint.action is Action.OPERATOR and not scope.unrestricted:",
        "if False:",
    ),
    "an old response is shared": (COALESCING, "now - request.since > self._max_age", "False"),
    "a project has no limit": (LIMITS, "if running >= self._each or self.in_use", "if self.in_use"),
    "a cancelled waiter keeps its slot": (
        LIMITS,
        "not waiter.cancelled():\n                self.release(project)",
        "not waiter.cancelled():\n                pass",
    ),
    "an engine without a health path is not ready": (HEALTH, "{200, 404}", "{200}"),
    "a long answer holds up other requests": (INTROSPECTION, "await asyncio.sleep(0)", "pass"),
    "a tenant gets the metadata of all metrics": (
        FILTERING,
        'quote_plus(f"{{{scope.matcher}}}")',
        "quote_plus('{__name__!=\"\"}')",
    ),
    "the metric names of one scope are those of another": (
        FILTERING,
        _NAMES,
        _NAMES.replace("get(scope.matcher)", 'get("")').replace("put(scope.matcher", 'put(""'),
    ),
    "an error of the upstream is filtered like a response": (
        FILTERING,
        "if response.status != 200:",
        "if False:",
    ),
    "a filtered response has no limit": (FILTERING, "response.read(self._limit)", "response.read(1 << 40)"),
    "a refused response to filter keeps its connection": (
        FILTERING,
        "finally:\n            response.abort()",
        "finally:\n            pass",
    ),
    "the engine does not scope what is filtered": (
        FILTERING_ENGINE,
        "additions.added_to(target), headers))\n        return",
        "target, headers))\n        return",
    ),
    "the engine does not scope the names of metrics": (
        FILTERING_ENGINE,
        "additions.added_to(target), headers))\n            metric",
        "target, headers))\n            metric",
    ),
    "what is filtered has no header of the scope": (
        FILTERING_ENGINE,
        "(*_HEADERS, *additions.headers)",
        "_HEADERS",
    ),
    "a long remote read of a tenant is not scoped": (
        SCOPING,
        "if not scope.unrestricted:",
        "if not scope.unrestricted and in_place:",
    ),
    "a long query is scoped in the event loop": (
        SCOPING,
        "self._bounds, in_place=_is_short(scope, size)",
        "self._bounds, in_place=True",
    ),
    "the length of a scope does not count": (SCOPING, " and len(scope.matcher) <= _IN_PLACE_BYTES", ""),
    "very many cached texts are not refused": (SCOPING, "        budget.check(project)\n", ""),
    "very many cached texts are free": (
        SCOPING,
        "budget.charge(project, time.thread_time() - began)",
        "pass",
    ),
    "an error in another format is relayed": (UPSTREAM_ERRORS, "if fields is None:", "if False:"),
    "a compressed error may have any length": (
        UPSTREAM_ERRORS,
        "decompress(body, MAX_ERROR_BYTES)",
        "decompress(body)",
    ),
    "a changed error is declared compressed": (
        UPSTREAM_ERRORS,
        '{b"content-encoding", b"content-length"}',
        '{b"content-length"}',
    ),
    "an error about a query is a missing endpoint": (
        UPSTREAM_ERRORS,
        "_envelope(content) is None and (",
        "(",
    ),
    "a project without budget runs jobs": (OFFLOAD, "            self.budget.check(project)\n", ""),
    "jobs are free": (OFFLOAD, "self.budget.charge(project, seconds)", "pass"),
    "short jobs of a busy project block the event loop": (
        OFFLOAD,
        "if in_place and self.budget.used(project) <= _IN_PLACE_USED:",
        "if in_place:",
    ),
    "a limit of 0 is no limit": (
        QUERY_BUDGETS,
        "min(given, limit) if given >= 1 else limit",
        "min(given, limit)",
    ),
    "a caller's own limit is sent beside the budget": (QUERY_BUDGETS, "if limit is None:", "if True:"),
    "callers share the budget of other roles": (
        QUERY_BUDGETS,
        "(project, domain, caller.roles)",
        "(project, domain)",
    ),
    "the default precedes the budget of a project": (
        QUERY_BUDGETS,
        "{**self._default, **roles, **of_domain, **of_project}",
        "{**of_project, **of_domain, **roles, **self._default}",
    ),
    "CPU time has no limit": (CPU_BUDGET, "if used >= 1:", "if used >= 99:"),
    "only the last job counts": (CPU_BUDGET, "self.used(project) * self._seconds + seconds", "seconds"),
    "an idle project saves up CPU time": (
        CPU_BUDGET,
        "max(0.0, used / self._seconds - (self._clock() - at) / self._window)",
        "used / self._seconds - (self._clock() - at) / self._window",
    ),
    "an estimate has no limit": (COSTS, "response.read(MAX_ERROR_BYTES)", "response.read(1 << 40)"),
    "an estimate has no header of the scope": (COSTS, "[*_HEADERS, *additions.headers]", "list(_HEADERS)"),
    "an estimate has no parameter of the scope": (
        COSTS,
        'bound.body or b"", additions.parameters)',
        'bound.body or b"")',
    ),
    "a refused estimate keeps its connection": (
        COSTS,
        "finally:\n            response.abort()",
        "finally:\n            pass",
    ),
    "Thanos may ignore the labels of metrics": (
        ENGINE_OPTIONS,
        'engine == "thanos" and labels.entries',
        "False",
    ),
    "the engine's own parameters are lost": (ENGINE_OPTIONS, "_PARAMETERS.get(engine, {})", "{}"),
    "a replaced header is sent twice": (
        ENGINE_OPTIONS,
        "if name.lower() not in names",
        "if name not in names",
    ),
}
