"""The mapping that keeps what was used last."""

from chrysaetos.lru import Lru


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
