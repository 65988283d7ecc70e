"""What the gate makes of a request."""

from urllib.parse import parse_qsl, quote

import pytest

from chrysaetos.errors import (
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    QueryError,
    Unauthorized,
    UriTooLong,
)
from chrysaetos.portals.gate import Gate, check_path
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import TokenFile, new_token, write_tokens
from chrysaetos.tenancy.parameters import Text

USAGE = '{job="project_usages",__name__=~"project_.*_usage"}'
BOTH = 'job="project_usages",__name__=~"project_.*_usage"'


class Here:
    def __init__(self, directory, *allow):
        self.secret, token = new_token("portal", Policy(allow), now=0.0, expires=None)
        write_tokens(directory / "tokens.json", [token])
        self.gate = Gate(TokenFile(directory / "tokens.json"))
        self.token = self.gate.token([(b"authorization", f"Bearer {self.secret}".encode())])

    def admit(self, query):
        return self.gate.admit(self.gate.selectors(query), self.token)

    def sent(self, query):
        """The selectors that the upstream is asked for."""
        path, _, sent = self.admit(query).target.decode().partition("?")
        assert path == "/federate"
        pairs = parse_qsl(sent, strict_parsing=True, keep_blank_values=True)
        assert {name for name, _ in pairs} == {"match[]"}
        return [value for _, value in pairs]


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path, USAGE)


@pytest.mark.parametrize(
    "form",
    ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer    {}", " Bearer {} ", "\tBearer {}\t"],
)
def test_a_token_is_known_however_the_scheme_is_spelled(here, form):
    headers = [(b"host", b"h"), (b"authorization", form.format(here.secret).encode())]
    assert here.gate.token(headers).name == "portal"


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "Bearer",
            "Bearer ",
            "Bearer{}",
            "{}",
            "Token {}",
            "Bearer {}x",
            "Bearer {},x",
            "Bearer x, Bearer {}",
        ),
        *("Bearer {} {}", 'Bearer "{}"', "Bearer\t{}", "Bearer cft_", "Bearer " + "x" * 10_000, "Basic {}"),
        *("Bearer {}é", "Bearer {}\xa0", "XBearer {}"),
    ],
)
def test_anything_else_is_no_token(here, value):
    headers = [(b"authorization", value.replace("{}", here.secret).encode())]
    with pytest.raises(Unauthorized) as caught:
        here.gate.token(headers)
    assert caught.value.headers() == [(b"www-authenticate", b'Bearer realm="federation"')]
    assert here.secret not in str(caught.value)


def test_credentials_are_shown_once_and_in_one_place(here):
    good = (b"authorization", f"Bearer {here.secret}".encode())
    with pytest.raises(Unauthorized):
        here.gate.token([(b"x-auth-token", here.secret.encode()), (b"cookie", good[1])])
    for other in (good, (b"authorization", b""), (b"authorization", b"Bearer x")):
        for headers in ([good, other], [other, good]):
            with pytest.raises(BadRequest, match="one Authorization header"):
                here.gate.token(headers)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "/federate/",
            "//federate",
            "/Federate",
            "/%66ederate",
            "/federate;x",
            "/federate%00",
            "federate",
        ),
        *("/./federate", "/x/../federate", "/federate/..", "/federate?", "/metrics", "/api/v1/query", "*"),
    ],
)
def test_there_is_one_path_to_the_letter(path):
    with pytest.raises(NotFound):
        check_path("GET", path)


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT", "DELETE", "get", "GET ", ""])
def test_there_is_one_method(method):
    check_path("GET", "/federate")
    with pytest.raises(MethodNotAllowed) as caught:
        check_path(method, "/federate")
    assert caught.value.headers() == [(b"allow", b"GET")]
    with pytest.raises(NotFound):
        check_path(method, "/metrics")


def test_the_upstream_is_asked_afresh(here):
    assert here.sent(b"match[]=project_mb_usage") == [f'{{__name__="project_mb_usage",{BOTH}}}']
    target = here.admit(b"m%61tch%5b%5D=project_mb_usage&&").target
    assert target == here.admit(b"match[]=project_mb_usage").target
    assert target.startswith(b"/federate?match%5B%5D=%7B__name__%3D%22project_mb_usage%22%2C")
    assert target.isascii()


def test_several_selectors_are_sent_and_the_same_one_once(here):
    query = b"match[]=project_mb_usage&match[]=project_vcpu_usage&match[]=project_mb_usage"
    assert here.sent(query) == [
        f'{{__name__="project_mb_usage",{BOTH}}}',
        f'{{__name__="project_vcpu_usage",{BOTH}}}',
    ]
    assert len(here.admit(query).texts) == 3


def test_both_forms_of_a_selector_are_kept_for_the_audit(tmp_path):
    here = Here(tmp_path, USAGE, "up")
    assert here.admit(b"match[]=up&match[]={a='b'}").texts == (
        Text("up", '{__name__="up",__name__="up"}'),
        Text("{a='b'}", f"{{{BOTH},a='b'}}"),
        Text("{a='b'}", "{__name__=\"up\",a='b'}"),
    )


@pytest.mark.parametrize(
    "query",
    [
        *(
            b"match=x",
            b"Match[]=x",
            b"match[0]=x",
            b"match%255B%255D=x",
            b"match[]%00=x",
            b"match[]+=x",
            b"=x",
        ),
        *(b"x", b"query=up", b"match[]=project_mb_usage&start=1", b"start=1&match[]=project_mb_usage"),
        *(
            b"match[]=project_mb_usage;match[]=up",
            b"match[]=a%",
            b"match[]=a%2",
            b"match[]=%zz",
            b"match[]=%ff",
        ),
        *(b"%ff=x", b"match[]=project_mb_usage#x=y&z"),
    ],
)
def test_other_parameters_are_refused(here, query):
    with pytest.raises(BadRequest):
        here.admit(query)


@pytest.mark.parametrize("query", [b"", b"&", b"&&&"])
def test_a_request_without_a_selector_is_forbidden(here, query):
    with pytest.raises(Forbidden, match=r"match\[\]"):
        here.gate.selectors(query)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "a b",
            "a offset 5m",
            "a @ 0",
            "a[5m]",
            "sum(a)",
            "{a='b' or c='d'}",
            "{a='b'",
            "1",
            "'a'",
        ),
        "project_mb_usage\x00",
    ],
)
def test_what_is_no_selector_is_refused(here, text):
    for query in (f"match[]={quote(text)}", f"match[]=project_mb_usage&match[]={quote(text)}"):
        with pytest.raises(QueryError) as caught:
            here.admit(query.encode())
        assert caught.value.text == text


@pytest.mark.parametrize("text", ["secret", "{job='other'}", "{__name__='up'}"])
def test_one_selector_for_nothing_that_may_be_seen_refuses_all(here, text):
    good = "match[]=project_mb_usage"
    for query in (f"match[]={text}", f"{good}&match[]={text}", f"match[]={text}&{good}"):
        with pytest.raises(Forbidden, match="may see nothing of what"):
            here.admit(quote(query, safe="=&").encode())


def test_how_much_may_be_asked(here):
    assert len(here.gate.selectors(b"&".join([b"match[]=a"] * 100))) == 100
    with pytest.raises(BadRequest, match="more than 100"):
        here.gate.selectors(b"&".join([b"match[]=a"] * 101))
    with pytest.raises(UriTooLong):
        here.gate.selectors(b"match[]=" + b"a" * 32 * 1024)


def test_what_the_policy_makes_too_long_is_not_sent(tmp_path):
    here = Here(tmp_path, *(f'{{a=~"{"x" * 1000}{number}.*"}}' for number in range(20)))
    assert len(here.sent(b"&".join(b"match[]=up%d" % number for number in range(12)))) == 12 * 20
    with pytest.raises(BadRequest, match="too long"):
        here.admit(b"&".join(b"match[]=up%d" % number for number in range(13)))
    with pytest.raises(BadRequest, match="too long"):
        here.admit(b"match[]={a=~'%b'}" % (b"x" * 13_000))


def test_the_longest_that_is_sent_fits_into_a_request(tmp_path):
    """Prometheus' server takes a MiB of request line and headers."""
    here = Here(tmp_path, *(f'up{{a!="{number}"}}' for number in range(24)))
    query = b"match[]={a=~'" + "ü".encode() * 5_000 + b"'}"
    target = here.admit(query).target
    assert 700_000 < len(target) < 1_000_000
