"""What plans of every service have in common."""

from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.findings import Status
from chrysaetos.migrate.layers import Variable
from chrysaetos.migrate.plans import overridden, quoted

VALUES = st.text(alphabet=st.sampled_from("ab ='\"#;[]:\t"), max_size=8)


@given(VALUES)
def test_a_value_is_written_so_that_it_is_read_back(value):
    (option,) = ConfFile("f", f"[a]\nk = {quoted(value)}\n".encode()).options
    assert option.value == value


def test_plain_values_have_no_quotes():
    assert quoted("fqdn") == "fqdn"
    assert quoted("a 'b' c") == "a 'b' c"


def test_a_variable_is_told_with_what_to_set_it_to():
    found = overridden(Variable("prometheus", "OS_X__Y"), "aetos")
    assert found.status is Status.FAILED
    assert found.found == "OS_X__Y=prometheus overrides the files"
    assert found.remedy.startswith("set it to aetos, or remove it")
