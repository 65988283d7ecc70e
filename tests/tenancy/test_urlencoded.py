import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.tenancy.urlencoded import values_of


def test_the_values_of_one_parameter_are_decoded_alone():
    assert values_of("path", b"path=a&p%61th=b&x=%zz&" + b"%zz" * 100 + b"=1") == ["a", "b"]
    with pytest.raises(BadRequest, match='"path" is too long'):
        values_of("path", b"path=" + b"%41" * 10_000)
