"""The API's description: valid, complete in both directions, and as the contract names the calls."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.application import api_routes
from handlers.endpoint import METHODS, declared
from tests.contract.calls import CALLS
from tests.described import document

OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
]


def test_it_is_valid_openapi():
    OpenAPIV31SpecValidator(document()).validate()


async def test_the_server_tells_it(api):
    reply = await api.get("/api/openapi.json")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.json == document()


def test_every_route_is_described_and_nothing_else():
    served = {
        (method.upper(), route) for route, handler in api_routes() for method in METHODS if method in declared(handler)
    }

    assert {(method, path) for method, path, _ in OPERATIONS} == served


def test_every_call_of_the_contract_is_there():
    nameless = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path, _ in OPERATIONS}

    assert sorted(CALLS - nameless) == []


def test_every_operation_has_a_name_of_its_own():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_an_operation_says_what_it_does_and_how_it_refuses(method, path, operation):
    answers = operation["responses"]

    assert operation["summary"]
    assert operation["x-needs"]
    assert {"422", "503"} <= set(answers)
    assert any(status < "400" for status in answers)
    assert ("401" in answers) >= (operation["x-needs"] != "nobody")
    assert ("404" in answers) >= ("{" in path), "what does not exist"
    assert "Location" in answers.get("201", {}).get("headers", {"Location": 1}), "where it is"
    named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
    assert named == set(re.findall(r"\{(\w+)\}", path))
