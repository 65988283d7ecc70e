"""Error messages, found where they are raised."""

import ast

import pytest
from tools.reference.messages import _raised, messages

from chrysaetos.identity.keystone import Refusal

IMPORT = "from chrysaetos.errors import BadRequest, Forbidden\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise BadRequest('too long')", "too long"),
        ("raise BadRequest('too ' 'long')", "too long"),
        ("error = BadRequest(f'{limit} bytes')", "{limit} bytes"),
        ("raise BadRequest(f'{self._limits.most:,} bytes')", "{most} bytes"),
        ("raise BadRequest(f'{text[:64]!a} is none')", "{text} is none"),
        ("raise BadRequest(f'{name.decode()} is missing')", "{name} is missing"),
        ("raise BadRequest(f\"{' and '.join(self.methods)} only\")", "{methods} only"),
        ("raise BadRequest(f'{1 + 1} bytes')", "{…} bytes"),
    ],
)
def test_a_message_is_found_with_names_for_its_values(code, message):
    assert list(_raised(ast.parse(IMPORT + code))) == [("BadRequest", message)]


@pytest.mark.parametrize(
    "code",
    [
        "raise BadRequest(text)",
        "raise BadRequest",
        "raise Other('text')",
        "raise ValueError('text')",
    ],
)
def test_other_messages_are_omitted(code):
    assert list(_raised(ast.parse(IMPORT + code))) == []


def test_an_error_of_another_module_with_the_same_name_is_omitted():
    assert list(_raised(ast.parse("from other import BadRequest\nraise BadRequest('text')"))) == []


def test_the_parsers_refusals_are_query_errors():
    assert list(_raised(ast.parse("cursor.refuse('no such function', 0, 1)"))) == [
        ("QueryError", "no such function")
    ]


def test_the_codes_own_messages_are_found():
    found = messages()
    assert (
        "the URL is longer than {max_url_bytes} bytes: send its parameters in a POST" in found["UriTooLong"]
    )
    assert {"BadRequest", "Unauthorized", "Forbidden", "NotFound", "ConfigError"} <= set(found)
    assert "nested deeper than {depth} levels" in found["QueryError"]


_NAMES = {"Basic", "Expect", "Host", "Keystone", "Prometheus"}
"""Names that begin a message, besides those with a hyphen, a slash or an underscore."""


def test_every_message_to_a_caller_begins_in_lower_case_and_has_no_full_stop():
    texts = {text for kind, found in messages().items() if kind != "ConfigError" for text in found}
    for text in texts | {each.value for each in Refusal}:
        word = text.split()[0]
        assert not word[0].isupper() or word in _NAMES or any(mark in word for mark in "-/_"), text
        assert not text.endswith((".", "!")), text
