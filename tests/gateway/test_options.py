"""Reading of the configuration."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.main import run
from chrysaetos.gateway.options import load_conf


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match="nonexistent"):
        load_conf(["--config-file", "/nonexistent/aetos.conf"])


def test_an_invalid_value_fails_the_start_with_one_line(tmp_path, capsys):
    file = tmp_path / "aetos.conf"
    file.write_text("[prometheus]\nport = 99999\n")
    assert run(["--config-file", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "port" in err
    assert "prometheus" in err
