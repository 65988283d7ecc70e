"""The mapping that keeps what was used last."""

import sys

from chrysaetos.lru import Lru, size_of


def test_the_entry_that_was_used_longest_ago_makes_room():
    kept: Lru[str, int] = Lru(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c"), len(kept)) == (1, None, 3, 2)
    kept.put("a", 4)
    kept.put("d", 5)
    assert (kept.get("a"), kept.get("c")) == (4, None)


def test_entries_can_be_forgotten():
    kept: Lru[str, str] = Lru(3)
    for key in "abc":
        kept.put(key, key)
    kept.drop("a")
    kept.drop("a")
    assert (kept.get("a"), len(kept)) == (None, 2)
    kept.clear()
    assert len(kept) == 0


def test_entries_are_bounded_by_their_weight():
    kept: Lru[str, int] = Lru(10, weigh=lambda key, value: len(key) + value, max_weight=10)
    kept.put("a", 4)
    kept.put("b", 3)
    assert kept.weight == 9
    kept.put("a", 3)
    assert (kept.weight, len(kept)) == (8, 2)
    kept.put("c", 1)
    assert (kept.weight, len(kept)) == (10, 3)
    kept.put("d", 0)
    assert (kept.get("b"), kept.weight) == (None, 7)
    kept.put("a", 10)
    assert (kept.get("a"), kept.weight) == (None, 3)
    kept.drop("c")
    kept.drop("c")
    assert kept.weight == 1
    kept.clear()
    assert (kept.weight, list(kept.items())) == (0, [])


def test_the_size_of_texts_includes_those_in_tuples():
    texts = ("\N{EAGLE}" * 100, "b")
    assert size_of("a", (texts, None)) == sum(
        map(sys.getsizeof, ("a", (texts, None), texts, texts[0], "b", None))
    )
