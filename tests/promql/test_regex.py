"""Whether an RE2 expression matches the empty string; the answers are Prometheus' own."""

import time

import pytest

from chrysaetos.promql.regex import matches_empty

EMPTY = [
    *(
        "",
        ".*",
        "a*",
        "a?",
        "a*?",
        "a??",
        "a{0}",
        "a{0,}",
        "a{0,3}",
        "a{0,3}?",
        "(a*)",
        "(a)*",
        "(a)?",
        "(?:a|)",
        "()",
    ),
    *(
        "|a",
        "a|",
        "a||b",
        "a|b*",
        "^",
        "$",
        "^$",
        "^*",
        r"\A",
        r"\z",
        r"\B",
        "(?i)",
        "(?i:a*)",
        "(?s-i)",
        "(?P<n>a*)",
    ),
    *(
        "(?<n>)",
        "a*b*",
        "(a|b*)c?",
        "[a]*",
        "[^]a]*",
        "[]a]?",
        "[[:alpha:]]*",
        r"[\]]*",
        r"\d*",
        r"\pL*",
        r"\p{Greek}*",
    ),
    *(
        r"\x41*",
        r"\x{263a}*",
        r"\101*",
        r"\**",
        r"\Qa\E*",
        r"\Q\E",
        r"\Q",
        r"a\Q\E*",
        r"a(?i)*",
        r"(a+)*",
        "(a{2}){0}",
    ),
    *("((((a*))))", "(a*)+", "a*|b", r"(\Qa\E)?", "é*"),
]
NOT_EMPTY = [
    *(
        "a",
        ".",
        ".+",
        "a+",
        "a+?",
        "a{1}",
        "a{1,}",
        "a{2}?",
        "(a)",
        "(a)+?",
        "(a|b)",
        "(a|b)+?",
        "a|b",
        "(?:a)",
        "(?i)a",
    ),
    *(
        "a*b",
        "ab*",
        "(a*)b",
        "b(a*)",
        "[a]",
        "[^a]",
        "[]a]",
        "[^]]",
        "[[:alpha:]]",
        r"[\]]",
        "[(*]",
        "[|]",
        r"\b",
        r"\d",
    ),
    *(
        r"\pL",
        r"\p{Greek}",
        r"\x41",
        r"\x{263a}",
        r"\101",
        r"\*",
        r"\|",
        r"\\",
        r"\Qa*",
        r"\Qab\E*",
        r"\Q*\E",
        r"\Q|\E",
    ),
    *(
        "é",
        "]",
        "}",
        "{",
        "a{",
        "{,2}",
        "a{,2}",
        "a{00}",
        "a{0,03}",
        "a{x}",
        "^a",
        "a$",
        r"\Aa\z",
        "(?P<n>a)",
        "(?i:a)+",
    ),
    *("a(?i)", r"\n", "(a?b)", "(a*|b)c", "a*(b|c)", r"\.*a", r"a?\Qb\E"),
]


@pytest.mark.parametrize("pattern", EMPTY)
def test_these_match_the_empty_string(pattern):
    assert matches_empty(pattern)
    assert matches_empty(f"({pattern})") or r"\Q" in pattern
    assert matches_empty(f"x|{pattern}")


@pytest.mark.parametrize("pattern", NOT_EMPTY)
def test_these_do_not_match_the_empty_string(pattern):
    assert not matches_empty(pattern)
    assert not matches_empty(f"({pattern})")
    assert not matches_empty(f"x|{pattern}") or pattern.startswith("{")


@pytest.mark.parametrize("pattern", [")", "(", "((", "a)", "[", "[a", "\\", "(?", "(?P<", "*", "a**", "[\\"])
def test_a_broken_expression_gets_any_answer(pattern):
    assert matches_empty(pattern) in {True, False}


@pytest.mark.parametrize(
    "part",
    ["(", "(a*", "[", "[:a", "\\Q", "\\p{", "(?P<a", "(?i", "a{1", "a{99999", ")", "|", "[^]", "a?", "(a|"],
)
def test_the_time_is_linear(part):
    def seconds(count):
        start = time.thread_time()
        matches_empty(part * count)
        return time.thread_time() - start

    assert seconds(30_000) < 2
