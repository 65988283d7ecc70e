"""Whether a client accepts a content coding."""

import pytest

from chrysaetos.http.content_coding import accepts_encoding


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        ([], False),
        ([b""], False),
        ([b"gzip"], True),
        ([b"GZIP"], True),
        ([b"br, gzip;q=0.5"], True),
        ([b"br\t,\tgzip ; q=0.001"], True),
        ([b"gzip;q=0"], False),
        ([b"gzip; q=0.000, br"], False),
        ([b"br;q=1.0, gzip;Q=0."], False),
        ([b"br", b"gzip"], True),
        ([b"br", b"gzip;q=0"], False),
        ([b"identity"], False),
        ([b"not-gzip, gzipped"], False),
        ([b"*"], True),
        ([b"*;q=0"], False),
        ([b"gzip;q=0, *"], False),
        ([b"*;q=0, gzip"], True),
        ([b"x," * 30_000 + b"gzip"], False),
    ],
)
def test_a_coding_is_accepted_if_its_weight_is_not_0(values, accepted):
    headers = [(b"accept", b"gzip"), *((b"accept-encoding", value) for value in values)]
    assert accepts_encoding(headers, b"gzip") is accepted
