"""Functions that the plans of all services use."""

from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.findings import Status
from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.layers import Variable
from chrysaetos.migrate.plans import overridden, quote_value

VALUES = st.text(alphabet=st.sampled_from("ab ='\"#;[]:\t"), max_size=8)


@given(VALUES)
def test_a_quoted_value_is_read_unchanged(value):
    (option,) = ConfFile("f", f"[a]\nk = {quote_value(value)}\n".encode()).options
    assert option.value == value


def test_plain_values_have_no_quotes():
    assert quote_value("fqdn") == "fqdn"
    assert quote_value("a 'b' c") == "a 'b' c"


def test_an_overriding_variable_has_a_remedy():
    found = overridden(Variable("prometheus", "OS_X__Y"), "aetos")
    assert found.status is Status.FAILED
    assert found.found == "OS_X__Y=prometheus overrides the files"
    assert found.remedy.startswith("set it to aetos, or remove it")
