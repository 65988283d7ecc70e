"""The commands of a page."""

import pytest
from tests.e2e.howto import UnknownProgram, find_commands

PAGE = """
Text with `ls`:

    ls -l \\
        /tmp
    FOO=1 cat file   # a comment

    [section]
    ls = no

    # a comment
    ls commented

    . ./openrc
    source openrc

    metrics:
      ls: no

    sum(ls{project="p"})

```sh
. ./openrc
ls fenced
```

1. In a list:

       docker run

```json
{"ls": 1}
```

    $ ls prompt
    ls output

```text
$ ls fenced prompt
ls output
```
"""


def test_commands_are_found_in_order_and_nothing_else():
    found = [" ".join(each.split()) for each in find_commands(PAGE)]
    assert found == [
        "ls -l /tmp",
        "FOO=1 cat file # a comment",
        "ls commented",
        ". ./openrc",
        "source openrc",
        ". ./openrc",
        "ls fenced",
        "docker run",
        "ls prompt",
        "ls fenced prompt",
    ]


@pytest.mark.parametrize(
    "block",
    [
        "```sh\nno-such-program\n```\n",
        "```sh\nls\nno-such-program\n```\n",
        "    $ no-such-program\n",
        "```text\n$ no-such-program\n```\n",
        "    no-such-program --option\n",
        "    FOO=1 no-such-program\n",
    ],
)
def test_an_unknown_program_is_an_error(block):
    with pytest.raises(UnknownProgram, match="no-such-program"):
        find_commands(f"Text:\n\n{block}")
