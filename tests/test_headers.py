import pytest

from chrysaetos.headers import KeptHeaders, derived


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
