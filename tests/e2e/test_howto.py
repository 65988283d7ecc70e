"""The commands of a page."""

from tests.e2e.howto import find_commands

PAGE = """
Text with `ls`:

    ls -l \\
        /tmp
    FOO=1 cat file   # a comment

    [section]
    ls = no

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
"""


def test_commands_are_found_in_order_and_nothing_else():
    found = [" ".join(each.split()) for each in find_commands(PAGE)]
    assert found == [
        "ls -l /tmp",
        "FOO=1 cat file # a comment",
        ". ./openrc",
        "ls fenced",
        "docker run",
        "ls prompt",
    ]
