from __future__ import annotations

from chrysaetos.watcher.hosts import ambiguous_names, label_values, short_names


def test_label_values_of_targets() -> None:
    targets = [
        {"labels": {"fqdn": "a.example", "job": "node"}},
        {"labels": {"fqdn": "a.example", "job": "libvirt"}},
        {"labels": {"fqdn": ""}},
        {"labels": {"job": "node"}},
        {},
    ]
    assert label_values(targets, "fqdn") == {"a.example"}


def test_short_names() -> None:
    assert short_names({"a.example", "b.example", "c"}) == {"a": "a.example", "b": "b.example"}


def test_ambiguous_short_names() -> None:
    names = {"a.one.example", "a.two.example", "b.one.example"}
    assert short_names(names) == {"b": "b.one.example"}
    assert ambiguous_names(names) == {"a": ["a.one.example", "a.two.example"]}
