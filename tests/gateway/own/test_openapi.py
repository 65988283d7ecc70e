"""The API as an OpenAPI document."""

import pytest
from openapi_spec_validator import validate

from chrysaetos import errors
from chrysaetos.gateway.own.openapi import document
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, Kind

DOCUMENT = document()
API = [endpoint for endpoint in ENDPOINTS if endpoint.action is not Action.WEB]


def parameters(operation):
    """Return name, whether it is required, and schema of each parameter that is not in the path."""
    found = {
        each["name"]: (each["required"], each["schema"])
        for each in operation["parameters"]
        if each["in"] == "query"
    }
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        for name, each in schema.get("properties", {}).items():
            found[name] = (name in schema["required"], each)
    return found


def test_the_document_is_valid():
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


def test_the_document_has_exactly_the_paths_and_methods_of_the_endpoint_table():
    assert {path: set(operations) for path, operations in DOCUMENT["paths"].items()} == {
        endpoint.path: {method.lower() for method in endpoint.methods} for endpoint in API
    }


@pytest.mark.parametrize("endpoint", API, ids=lambda endpoint: endpoint.name)
def test_each_operation_agrees_with_the_endpoint_table(endpoint):
    for operation in DOCUMENT["paths"][endpoint.path].values():
        assert operation["summary"] == endpoint.summary
        assert operation.get("x-policy-rules", []) == (list(endpoint.rules) if endpoint.guarded else [])
        assert (operation.get("security") == []) == (endpoint.action is Action.PUBLIC)
        assert ("401" in operation["responses"]) == (endpoint.action is not Action.PUBLIC)
        assert ("403" in operation["responses"]) == endpoint.guarded
        found = parameters(operation)
        assert set(found) == set(endpoint.parameters)
        for name, (required, schema) in found.items():
            parameter = endpoint.parameters[name]
            assert required == parameter.required
            assert (schema["type"] == "array") == parameter.repeated
            assert (schema.get("items", schema)["type"] == "integer") == (parameter.kind is Kind.COUNT)


def test_every_parameter_is_described():
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            assert all(each["description"] for each in operation["parameters"])


def test_the_prefix_is_that_of_the_endpoint_in_the_catalog():
    assert document("/metric-storage")["servers"] == [{"url": "/metric-storage"}]
    assert DOCUMENT["servers"] == [{"url": "/"}]


KINDS = [
    kind
    for kind in map(vars(errors).get, errors.__all__)
    if isinstance(kind, type) and issubclass(kind, errors.ApiError)
]


@pytest.mark.parametrize("error_type", sorted({kind.error_type for kind in KINDS} | {"canceled"}))
def test_the_schema_accepts_every_type_of_error_also_those_that_are_relayed(error_type):
    """A generated client must not fail on an error."""
    schema = DOCUMENT["components"]["schemas"]["Error"]["properties"]["errorType"]
    assert "enum" not in schema
    assert f"`{error_type}`" in schema["description"]


def test_a_query_over_its_budget_is_described():
    for method in DOCUMENT["paths"]["/api/v1/query"].values():
        name = method["responses"]["422"]["$ref"].rpartition("/")[2]
        description = DOCUMENT["components"]["responses"][name]["description"]
        assert "(`execution`)" in description
        assert "(`cost_limit`)" in description
