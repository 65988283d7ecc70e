"""Reading of the configuration."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway import main, options
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


def test_a_malformed_line_is_not_repeated(tmp_path, caplog):
    file = tmp_path / "aetos.conf"
    file.write_text("[DEFAULT]\nauth_mode = noauth\n")
    conf = load_conf(["--config-file", str(file)])
    file.write_text("[keystone_authtoken]\npassword hunter2\n")
    with pytest.raises(ConfigError, match=f"cannot be read: {file}, line 2: No ':' or '=' found") as raised:
        load_conf(["--config-file", str(file)])
    main._mutate(conf)
    assert f"{file}, line 2: No ':' or '=' found" in caplog.text
    assert "hunter2" not in f"{raised.value}{raised.value.__cause__}{caplog.text}"


def test_the_default_is_the_file_of_gateway_init_or_else_that_of_aetos(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    own, of_aetos = tmp_path / "chrysaetos" / "aetos.conf", tmp_path / ".aetos" / "aetos.conf"
    monkeypatch.setattr(options, "DEFAULT_FILE", own)
    of_aetos.parent.mkdir()
    of_aetos.write_text("[prometheus]\nhost = of-aetos\n")
    assert load_conf([]).prometheus.host == "of-aetos"
    (own.parent / "aetos.conf.d").mkdir(parents=True)
    own.write_text("[prometheus]\nhost = own\n")
    assert load_conf([]).prometheus.host == "own"
    (own.parent / "aetos.conf.d" / "10-host.conf").write_text("[prometheus]\nhost = in-directory\n")
    assert load_conf([]).prometheus.host == "in-directory"
    assert load_conf([f"--config-dir={own.parent}"]).prometheus.host == "own"
    # Unlike a directory without permissions, this is an error for root as well.
    monkeypatch.setattr(options, "DEFAULT_FILE", tmp_path / ("x" * 300) / "aetos.conf")
    with pytest.raises(ConfigError, match=r"cannot be read: .*File name too long"):
        load_conf([])
