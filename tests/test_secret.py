from chrysaetos.secret import new_secret


def test_a_secret_needs_no_quotes_anywhere():
    # With the alphabet of base64url, the test would pass once in seven million runs.
    made = [new_secret() for _ in range(1000)]
    assert all(secret.isascii() and secret.isalnum() for secret in made)
    assert len(set(made)) == len(made)


def test_a_secret_has_the_requested_length_and_uses_the_whole_alphabet():
    assert len(new_secret()) == 24
    assert len(new_secret(43)) == 43
    assert len(set(new_secret(10_000))) == 62
