import pytest

from chrysaetos.headers import KeptHeaders, derived, only_value


def test_a_result_is_derived_once_for_headers_that_are_kept():
    kept, calls = KeptHeaders(), []
    kept.append((b"a", b"b"))

    def count(headers):
        calls.append(headers)

    for headers in (kept, kept, list(kept), list(kept)):
        assert derived(headers, count) is None
        assert derived(headers, len) == 1
    assert len(calls) == 3


def test_an_error_is_derived_again():
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            derived(KeptHeaders(), lambda headers: 1 / len(headers))


def test_a_repeated_header_has_no_value():
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"1")]
    assert only_value(headers, b"b") == b"2"
    assert only_value(headers, b"a") is None
    assert only_value(headers, b"c") is None
