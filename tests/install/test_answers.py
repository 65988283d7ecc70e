"""The operator's answers."""

from __future__ import annotations

from typing import Any

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.install.answers import FILE, QUESTIONS, answer, earlier_answers

URLS: dict[str, Any] = {"keystone_url": "https://cloud.example/v3", "public_url": "https://cloud.example/m"}


class Terminal:
    """Answers questions; an empty answer takes the default."""

    def __init__(self, **answers):
        self.answers = answers
        self.questions = []

    def __call__(self, question):
        self.questions.append(question)
        for name, texts in self.answers.items():
            if question.startswith(QUESTIONS[name].text) and texts:
                return texts.pop(0)
        return ""


def test_defaults_then_earlier_answers_then_questions_then_options():
    terminal = Terminal(engine=["thanos"])
    settings = answer({**URLS, "workers": 4}, {"region": "North", "workers": 2}, terminal)
    assert (settings.engine, settings.region, settings.workers) == ("thanos", "North", 4)
    assert f"{QUESTIONS['region'].text} [North]: " in terminal.questions
    assert not any(QUESTIONS[name].text in question for name in URLS for question in terminal.questions)


def test_a_required_answer_is_asked_again():
    terminal = Terminal(keystone_url=["", " ", URLS["keystone_url"]], public_url=[URLS["public_url"]])
    assert answer({}, {}, terminal).keystone_url == URLS["keystone_url"]


def test_invalid_answers_are_asked_again_with_the_reason(capsys):
    terminal = Terminal(engine=["mysql", "mimir"])
    assert answer(URLS, {}, terminal).engine == "mimir"
    printed = capsys.readouterr().out
    assert "--engine 'mysql' is not one of prometheus, victoriametrics, thanos, mimir" in printed
    assert "Enter keeps the answer in brackets." in printed


def test_an_option_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="--public-url is required: URL of the gateway in the catalog"):
        answer({"keystone_url": URLS["keystone_url"]}, {}, None)


@pytest.mark.parametrize(
    "content",
    [
        *("{", "3", '{"workers": "2"}', '{"workers": true}', '{"system": 1}'),
        *('{"gateways": "a:1"}', '{"gateways": [1]}', '{"trusted_proxies": [null]}'),
    ],
)
def test_a_damaged_file_of_answers_is_an_error(content, tmp_path):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match="remove it"):
        earlier_answers(tmp_path)


def test_a_file_of_answers_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConfigError, match=f"{FILE} cannot be read: Is a directory$"):
        earlier_answers(tmp_path)


def test_there_are_no_earlier_answers_at_first(tmp_path):
    assert earlier_answers(tmp_path) == {}
