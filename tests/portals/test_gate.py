"""The gate: which requests it accepts, and what it sends to Prometheus."""

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
from chrysaetos.portals.gate import authenticate, check_path, read_selectors, restrict
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import TokenFile, new_token, write_tokens
from chrysaetos.tenancy.parameters import Text

USAGE = '{job="project_usages",__name__=~"project_.*_usage"}'
BOTH = 'job="project_usages",__name__=~"project_.*_usage"'


class Site:
    def __init__(self, directory, *allow):
        self.secret, token = new_token("portal", Policy(allow), now=0.0, expires=None)
        write_tokens(directory / "tokens.json", [token])
        self.tokens = TokenFile(directory / "tokens.json")
        self.token = authenticate(self.tokens, [(b"authorization", f"Bearer {self.secret}".encode())])

    def restrict(self, query):
        return restrict(read_selectors(query), self.token.policy)

    def sent(self, query):
        """Return the selectors in the request to Prometheus."""
        path, _, sent = self.restrict(query).target.decode().partition("?")
        assert path == "/federate"
        pairs = parse_qsl(sent, strict_parsing=True, keep_blank_values=True)
        assert {name for name, _ in pairs} == {"match[]"}
        return [value for _, value in pairs]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, USAGE)


@pytest.mark.parametrize(
    "form",
    ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer    {}", " Bearer {} ", "\tBearer {}\t"],
)
def test_the_scheme_is_case_insensitive(site, form):
    headers = [(b"host", b"h"), (b"authorization", form.format(site.secret).encode())]
    assert authenticate(site.tokens, headers).name == "portal"


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
def test_other_credentials_are_rejected(site, value):
    headers = [(b"authorization", value.replace("{}", site.secret).encode())]
    with pytest.raises(Unauthorized) as caught:
        authenticate(site.tokens, headers)
    assert caught.value.headers() == [(b"www-authenticate", b'Bearer realm="federation"')]
    assert site.secret not in str(caught.value)


def test_only_a_single_authorization_header_is_accepted(site):
    good = (b"authorization", f"Bearer {site.secret}".encode())
    with pytest.raises(Unauthorized):
        authenticate(site.tokens, [(b"x-auth-token", site.secret.encode()), (b"cookie", good[1])])
    for other in (good, (b"authorization", b""), (b"authorization", b"Bearer x")):
        for headers in ([good, other], [other, good]):
            with pytest.raises(BadRequest, match="one Authorization header"):
                authenticate(site.tokens, headers)


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
def test_the_path_must_match_exactly(path):
    with pytest.raises(NotFound):
        check_path("GET", path)


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT", "DELETE", "get", "GET ", ""])
def test_only_get_is_allowed(method):
    check_path("GET", "/federate")
    with pytest.raises(MethodNotAllowed) as caught:
        check_path(method, "/federate")
    assert caught.value.headers() == [(b"allow", b"GET")]
    with pytest.raises(NotFound):
        check_path(method, "/metrics")


def test_the_url_is_built_from_the_parsed_parameters(site):
    assert site.sent(b"match[]=project_mb_usage") == [f'{{__name__="project_mb_usage",{BOTH}}}']
    target = site.restrict(b"m%61tch%5b%5D=project_mb_usage&&").target
    assert target == site.restrict(b"match[]=project_mb_usage").target
    assert target.startswith(b"/federate?match%5B%5D=%7B__name__%3D%22project_mb_usage%22%2C")
    assert target.isascii()


def test_duplicate_selectors_are_sent_once(site):
    query = b"match[]=project_mb_usage&match[]=project_vcpu_usage&match[]=project_mb_usage"
    assert site.sent(query) == [
        f'{{__name__="project_mb_usage",{BOTH}}}',
        f'{{__name__="project_vcpu_usage",{BOTH}}}',
    ]
    assert len(site.restrict(query).texts) == 3


def test_the_audit_gets_selectors_as_received_and_as_sent(tmp_path):
    site = Site(tmp_path, USAGE, "up")
    assert site.restrict(b"match[]=up&match[]={a='b'}").texts == (
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
def test_other_parameters_are_rejected(site, query):
    with pytest.raises(BadRequest):
        site.restrict(query)


@pytest.mark.parametrize("query", [b"", b"&", b"&&&"])
def test_a_request_without_a_selector_is_forbidden(query):
    with pytest.raises(Forbidden, match=r"match\[\]"):
        read_selectors(query)


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
def test_invalid_selectors_are_rejected(site, text):
    for query in (f"match[]={quote(text)}", f"match[]=project_mb_usage&match[]={quote(text)}"):
        with pytest.raises(QueryError) as caught:
            site.restrict(query.encode())
        assert caught.value.text == text


@pytest.mark.parametrize("text", ["secret", "{job='other'}", "{__name__='up'}"])
def test_one_forbidden_selector_refuses_the_request(site, text):
    good = "match[]=project_mb_usage"
    for query in (f"match[]={text}", f"{good}&match[]={text}", f"match[]={text}&{good}"):
        with pytest.raises(Forbidden, match="may read no series that"):
            site.restrict(quote(query, safe="=&").encode())


def test_the_number_of_selectors_and_the_length_of_the_query_are_limited():
    assert len(read_selectors(b"&".join([b"match[]=a"] * 100))) == 100
    with pytest.raises(BadRequest, match="more than 100"):
        read_selectors(b"&".join([b"match[]=a"] * 101))
    with pytest.raises(UriTooLong):
        read_selectors(b"match[]=" + b"a" * 32 * 1024)


def test_selectors_too_long_after_combining_are_rejected(tmp_path):
    site = Site(tmp_path, *(f'{{a=~"{"x" * 1000}{number}.*"}}' for number in range(20)))
    assert len(site.sent(b"&".join(b"match[]=up%d" % number for number in range(12)))) == 12 * 20
    with pytest.raises(BadRequest, match="too long"):
        site.restrict(b"&".join(b"match[]=up%d" % number for number in range(13)))
    with pytest.raises(BadRequest, match="too long"):
        site.restrict(b"match[]={a=~'%b'}" % (b"x" * 13_000))


def test_the_longest_url_fits_into_a_request_to_prometheus(tmp_path):
    """Prometheus accepts up to 1 MiB of request line and headers."""
    site = Site(tmp_path, *(f'up{{a!="{number}"}}' for number in range(24)))
    query = b"match[]={a=~'" + "ü".encode() * 5_000 + b"'}"
    target = site.restrict(query).target
    assert 700_000 < len(target) < 1_000_000
