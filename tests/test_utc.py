from chrysaetos.utc import DAY, utc_text


def test_times_are_in_utc():
    assert utc_text(0) == "1970-01-01T00:00:00Z"
    assert utc_text(DAY + 61.9) == "1970-01-02T00:01:01Z"
