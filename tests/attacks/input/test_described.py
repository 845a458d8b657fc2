"""Schemathesis over the API's own description: every answer is one that it tells of, and none is a 5xx.

Requests are made from the description, right and wrong ones, by somebody who may make them; where an id stands,
a real one is put, so that what is behind the id is reached.
"""

import asyncio
import copy

import pytest
import requests
import schemathesis
from hypothesis import given
from schemathesis import GenerationMode, checks

from handlers.endpoint import parameters
from tests.attacks.input.times import examples
from tests.contract.test_every_route import caller
from tests.contract.test_matrix import ROUTES
from tests.contract.things import BODIES, PARAMETERS
from tests.described import document

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
checks.load_all_checks()
HELD = checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    ]
)


def _operations():
    """Return every operation, without the token that it wants: the matrix of tests/contract says who may call what."""
    told = copy.deepcopy(document())
    for methods in told["paths"].values():
        for operation in methods.values():
            del operation["security"]
    found = [each.ok() for each in schemathesis.openapi.from_dict(told).get_all_operations()]
    return {(operation.method.upper(), operation.path): operation for operation in found}


OPERATIONS = _operations()
# Whom and what the others need is ended last.
LAST = {("POST", "/api/auth/logout"), ("POST", "/api/auth/logout-all"), ("DELETE", "/api/workspaces/{id}")}
TAGS = sorted({declaration.tag for _, _, declaration in ROUTES})


class Attack:
    """Makes requests in a thread, while the server runs in the test's own; it rests while they are being thought up."""

    def __init__(self, io_loop, api, actors, things):
        self._io_loop, self._api, self._actors, self._things = io_loop, api, actors, things
        self._session = requests.Session()

    def close(self):
        self._session.close()

    def on(self, method, route, declaration):
        """Try right and wrong requests of one route."""
        self._try(method, route, declaration, GenerationMode.POSITIVE)
        if declaration.body or declaration.query:
            self._try(method, route, declaration, GenerationMode.NEGATIVE)

    def _try(self, method, route, declaration, mode):
        operation, who = OPERATIONS[method, route], caller(self._actors, declaration)
        headers = {"Authorization": f"Bearer {who.token}"} if who and declaration.needs != "nobody" else {}

        @examples(3)
        @given(operation.as_strategy(generation_mode=mode))
        def once(case):
            self._make_real(case, method, route, in_body=mode is GenerationMode.POSITIVE)
            answer = self._wait(asyncio.to_thread, self._ask, case, headers)
            case.validate_response(answer, checks=HELD)
            if method != "GET" and answer.status_code < 400:
                self._things.forget()

        once()

    def _ask(self, case, headers):
        return case.call(base_url=self._api.base, session=self._session, headers=headers, timeout=50)

    def _wait(self, function, *arguments):
        return self._io_loop.run_sync(lambda: function(*arguments))

    def _make_real(self, case, method, route, *, in_body):
        """Put ids of things into the address, and `in_body` into those fields that name any."""
        for name in parameters(route):
            upto = route[: route.index(f"{{{name}}}") + len(name) + 2]
            case.path_parameters[name] = self._wait(self._things.get, PARAMETERS[upto]).replace("%F0%9F%91%8D", "👍")
        if in_body and isinstance(case.body, dict):
            named = BODIES.get((method, route), {})
            for name in case.body.keys() & named.keys():
                if isinstance(case.body[name], str) and "<" in str(named[name]):
                    case.body[name] = self._wait(self._things.filled, named[name])


@pytest.mark.parametrize("tag", TAGS)
def test_every_answer_is_described_and_none_is_a_5xx(io_loop, api, actors, things, tag):
    attack = Attack(io_loop, api, actors, things)
    ours = [each for each in ROUTES if each[2].tag == tag]
    for method, route, declaration in sorted(ours, key=lambda each: each[:2] in LAST):
        attack.on(method, route, declaration)
    attack.close()
