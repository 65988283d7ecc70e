"""openrc files as people have them: of the demo, of Horizon and Kolla, and of the compose files."""

import subprocess

import pytest

from chrysaetos.demo.commands import write_credentials
from chrysaetos.demo.identities import Account
from chrysaetos.usage.openrc import missing_variables, read_openrc
from chrysaetos.usage.records import UsageError

HORIZON = """\
#!/usr/bin/env bash
# To use an OpenStack cloud you need to authenticate against the Identity
# service named keystone, which returns a **Token** and **Service Catalog**.
export OS_AUTH_URL=https://cloud.example:5000/v3
# With the addition of Keystone we have standardized on the term **project**
# as the entity that owns the resources.
export OS_PROJECT_ID=0123456789abcdef
export OS_PROJECT_NAME="weather"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID="default"
if [ -z "$OS_PROJECT_DOMAIN_ID" ]; then unset OS_PROJECT_DOMAIN_ID; fi
# unset v2.0 items in case set
unset OS_TENANT_ID
unset OS_TENANT_NAME
# In addition to the owning entity (tenant), OpenStack stores the entity
# performing the action as the **user**.
export OS_USERNAME="ada"
# With Keystone you pass the keystone password.
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
# If your configuration has multiple regions, we set that information here.
# OS_REGION_NAME is optional and only valid in certain environments.
export OS_REGION_NAME=""
# Don't leave a blank variable, unset it if it was empty
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
"""
HORIZON_VARIABLES = {
    "OS_AUTH_URL": "https://cloud.example:5000/v3",
    "OS_PROJECT_ID": "0123456789abcdef",
    "OS_PROJECT_NAME": "weather",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_ID": "default",
    "OS_USERNAME": "ada",
    "OS_INTERFACE": "public",
    "OS_IDENTITY_API_VERSION": "3",
}
KOLLA = """\
# Ansible managed

# Clear any old environment that may conflict.
for key in $( set | awk '{FS="="}  /^OS_/ {print $1}' ); do unset $key ; done
export OS_PROJECT_DOMAIN_NAME='Default'
export OS_USERNAME='admin'
export OS_PASSWORD='a#b$c'
export OS_AUTH_URL='http://192.0.2.1:5000'
"""
DOCUMENTED = """\
OS_AUTH_URL=your_url
OS_PROJECT_ID=your_id
OS_PROJECT_NAME=admin
OS_USER_DOMAIN_NAME=Default
OS_PROJECT_DOMAIN_ID=default
OS_PASSWORD=your_passwd
OS_REGION_NAME=your_region
OS_INTERFACE=public
OS_IDENTITY_API_VERSION=3
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text, **environ):
        file = tmp_path / "openrc"
        file.write_text(text)
        return read_openrc(file, environ)

    return read_text


def test_the_file_of_the_project_usage_document(read):
    found = read(DOCUMENTED)
    assert found == dict(line.split("=") for line in DOCUMENTED.splitlines())
    assert missing_variables(found) == ["OS_USERNAME"]


def test_horizons_file_with_the_password_in_place_of_the_prompt(read):
    found = read(HORIZON.replace("$OS_PASSWORD_INPUT", "'it'\\''s'"))
    assert found == {**HORIZON_VARIABLES, "OS_PASSWORD": "it's"}


def test_horizons_file_as_downloaded_takes_the_password_from_the_environment(read):
    assert read(HORIZON, OS_PASSWORD="secret") == HORIZON_VARIABLES
    with_input = read(HORIZON, OS_PASSWORD_INPUT="secret")
    assert with_input == {**HORIZON_VARIABLES, "OS_PASSWORD": "secret"}


def test_horizons_file_as_downloaded_names_the_line_and_the_remedy(read):
    with pytest.raises(UsageError) as caught:
        read(HORIZON)
    assert "line 22: OS_PASSWORD is read from the terminal (line 21)" in str(caught.value)
    assert "OS_PASSWORD='…'" in str(caught.value)


def test_kollas_file(read):
    found = read(KOLLA)
    assert found["OS_PASSWORD"] == "a#b$c"
    assert set(found) == {"OS_PROJECT_DOMAIN_NAME", "OS_USERNAME", "OS_PASSWORD", "OS_AUTH_URL"}


@pytest.mark.parametrize("password", ["plain", "it's", 'say "x"', "a b", "$HOME", "`id`", "a\\b", "#x", "é"])
def test_the_demos_file(tmp_path, password):
    account = Account(user="me", user_id="1", password=password, project_name="p", role="reader")
    write_credentials(tmp_path, [account], "http://k/v3")
    found = read_openrc(tmp_path / "me.openrc", {"PATH": "/bin"})
    assert (found["OS_AUTH_URL"], found["OS_USERNAME"], found["OS_PASSWORD"]) == (
        "http://k/v3",
        "me",
        password,
    )
    assert "PATH" not in found


@pytest.mark.parametrize(
    "word",
    [
        "plain",
        "'a b'",
        '"a b"',
        r'"a\"b\\c\$d\`e\f"',
        r"a\ b\$c",
        "'it'\"'\"'s'",
        "pre'fix'\"es\"",
        '"${USER_A}/$USER_A"',
        "$USER_A",
        "a#b # comment",
        "''",
    ],
)
def test_exported_words_are_read_as_a_shell_does(read, word):
    shell = subprocess.run(
        ["/bin/sh", "-c", f'USER_A="x y"; export OS_A={word}\nprintf %s "$OS_A"'],
        capture_output=True,
        text=True,
        check=True,
    )
    # dash splits an unquoted reference in export, bash does not.
    expected = "x y" if word == "$USER_A" else shell.stdout
    assert read(f"export OS_A={word}\n", USER_A="x y").get("OS_A", "") == expected


@pytest.mark.parametrize("value", ["it's", "a$b", "a # b", "a b", "x\\y", 'a"b"', "a=b"])
def test_lines_without_export_are_literal(read, value):
    assert read(f"OS_A={value}\n") == {"OS_A": value}


def test_comments_windows_line_ends_and_several_variables_in_a_line(read):
    assert read("\ufeff# x\r\n\r\nexport OS_A=1 OS_B='2' # y\r\nOS_C=3\r\n") == {
        "OS_A": "1",
        "OS_B": "2",
        "OS_C": "3",
    }


@pytest.mark.parametrize(
    "line",
    [
        "export OS_A=1; export OS_B='2'",
        "export OS_A=1;export OS_B=2 # y",
        "OS_A='1'; OS_B=2",
        "export OS_A=1; OS_B=2;",
    ],
)
def test_several_statements_in_a_line(read, line):
    assert read(line + "\n") == {"OS_A": "1", "OS_B": "2"}


def test_a_variable_that_is_unset_later_is_omitted(read):
    assert read("export OS_A=1\nOS_B=2\nOS_C=3\nunset OS_A OS_B\n") == {"OS_C": "3"}
    assert read("export OS_A=1; unset OS_A\n") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("OS_A=a; OS_B=b\n", "line 1: this line also sets OS_B"),
        ("OS_A=a OS_B=b\n", "line 1: this line also sets OS_B"),
        ("PATH=/bin; export OS_B=b\n", "line 1: this line also sets OS_B"),
        ("unset OS_A; export OS_B=b\n", "line 1: a shell decides whether OS_B is set"),
        ("export OS_A=a\nexport OS_A+=b\n", "line 2: a shell decides whether OS_A is set"),
        ("OS_A=a\nOS_A+=b\n", "line 2: expected OS_NAME=value"),
        ("\nexport OS_A=$(pass show cloud)\n", "line 2: the value of OS_A needs a shell"),
        ('export OS_A="`id`"\n', "line 1: the value of OS_A needs a shell"),
        ("export OS_A='open\n", "line 1: the value of OS_A needs a shell"),
        ("export OS_A=${B:-c}\n", "line 1: the value of OS_A needs a shell"),
        ("export OS_A=a b\n", "line 1: the value of OS_A needs a shell"),
        ("OS_A=$B\n", "line 1: OS_A refers to B"),
        ('OS_A="$B"\n', "line 1: OS_A refers to B"),
        ("read -s OS_PASSWORD\n", "line 1: OS_PASSWORD is read from the terminal"),
        ("if true; then export OS_A=1; fi\n", "line 1: a shell decides whether OS_A is set"),
        ("if true\nthen\n  export OS_A=1\nfi\n", "line 3: a shell decides whether OS_A is set"),
        (". ./other\n", "line 1: expected OS_NAME=value"),
        ("OS_A\n", "line 1: expected OS_NAME=value"),
    ],
)
def test_what_needs_a_shell_is_an_error_with_the_line(read, text, problem):
    with pytest.raises(UsageError) as caught:
        read(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["OS_PASSWORD", "OS_APPLICATION_CREDENTIAL_SECRET", "OS_TOKEN"])
@pytest.mark.parametrize(
    "line", ["{}=$ecret123", "{}=${{ecret123}}", 'export {}="a$ecret123"', "export {}=a$ecret123"]
)
def test_a_secret_that_is_read_as_a_reference_is_not_printed(read, name, line):
    with pytest.raises(UsageError) as caught:
        read(line.format(name) + "\n")
    assert f"the value of {name} has a $" in str(caught.value)
    assert f"{name}='value', in single quotes" in str(caught.value)
    assert "ecret123" not in str(caught.value)
    assert read(f"{name}='$ecret123'\n") == {name: "$ecret123"}


def test_an_unreadable_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_openrc(tmp_path / "none", {})


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, []),
        ({"OS_AUTH_URL": "x", "OS_USERNAME": "u", "OS_PASSWORD": "p"}, []),
        ({"OS_AUTH_URL": "x", "OS_USER_ID": "u", "OS_PASSWORD": "p"}, []),
        ({"OS_AUTH_URL": "x"}, ["OS_USERNAME", "OS_PASSWORD"]),
        ({"OS_USERNAME": "u", "OS_PASSWORD": "p"}, ["OS_AUTH_URL"]),
        ({"OS_CLOUD": "c", "OS_AUTH_URL": "x"}, []),
        ({"OS_AUTH_URL": "x", "OS_AUTH_TYPE": "v3token"}, []),
        ({"OS_AUTH_URL": "x", "OS_APPLICATION_CREDENTIAL_ID": "i"}, ["OS_APPLICATION_CREDENTIAL_SECRET"]),
        (
            {
                "OS_AUTH_URL": "x",
                "OS_AUTH_TYPE": "v3applicationcredential",
                "OS_APPLICATION_CREDENTIAL_SECRET": "s",
            },
            ["OS_APPLICATION_CREDENTIAL_ID"],
        ),
    ],
)
def test_missing_variables_are_named(variables, missing):
    assert missing_variables(variables) == missing
