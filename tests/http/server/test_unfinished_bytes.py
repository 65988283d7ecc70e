from chrysaetos.http.server.connection import ClientConnection
from chrysaetos.http.server.unfinished_bytes import UnfinishedBytes


class Connection(ClientConnection):
    """A connection that holds bytes until it has to give them up."""

    def __init__(self, unfinished):
        self._unfinished = unfinished
        self.gave_up = False

    def give_up(self):
        self.gave_up = True
        self._unfinished.hold(self, 0)


def held(limit, *counts):
    unfinished = UnfinishedBytes(limit)
    connections = [Connection(unfinished) for _ in counts]
    for connection, count in zip(connections, counts, strict=True):
        unfinished.hold(connection, count)
    return unfinished, connections


def test_the_bytes_of_all_connections_are_counted():
    unfinished, (first, second) = held(100, 10, 20)
    assert unfinished.total == 30
    unfinished.hold(first, 5)
    unfinished.hold(second, 0)
    unfinished.hold(second, 0)
    assert unfinished.total == 5


def test_it_is_full_above_the_limit():
    unfinished, (first,) = held(100, 100)
    assert not unfinished.full
    unfinished.hold(first, 101)
    assert unfinished.full


def test_there_is_room_up_to_the_limit():
    unfinished, connections = held(100, 60, 40)
    unfinished.make_room()
    assert [each.gave_up for each in connections] == [False, False]


def test_the_oldest_requests_make_room():
    unfinished, connections = held(100, 60, 40, 30, 50)
    unfinished.hold(connections[0], 70)  # more of the same request
    unfinished.make_room()
    assert [each.gave_up for each in connections] == [True, True, False, False]
    assert unfinished.total == 80


def test_a_connection_whose_request_was_completed_is_not_the_oldest():
    unfinished, connections = held(100, 60, 40)
    unfinished.hold(connections[0], 0)
    unfinished.hold(connections[0], 70)
    unfinished.make_room()
    assert [each.gave_up for each in connections] == [False, True]
