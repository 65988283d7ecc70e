"""Charging usage to credits: expiry, corrections, restarts, deleted and renamed projects."""

import pytest

from chrysaetos.usage.credits import CreditLedger
from chrysaetos.usage.grants import FILE, append_grant
from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.tally import Key, Totals

PROJECT = Project("p", "one", "d", "default")


class Site:
    """A directory with grants, and a clock in hours."""

    def __init__(self, directory):
        self.directory = directory
        self.hours = 0.0
        self.projects = [PROJECT]
        self.open()

    def open(self):
        self.ledger = CreditLedger(self.directory)

    def grant(self, hours, until=None, project_id="p", resource="vcpu"):
        append_grant(
            self.directory / FILE,
            project_id=project_id,
            resource=resource,
            hours=float(hours),
            now=self.hours,
            until=until,
            by="ada",
            why="test",
        )

    def use(self, hours, key=None):
        """Charge an hour in which a project uses a number of CPU hours, and twice as many MB hours."""
        since, self.hours = self.hours, self.hours + 1
        totals = Totals()
        totals.vcpu_hours, totals.mb_hours = hours, 2 * hours
        self.ledger.charge(since, self.hours, lambda: {key or Key("p"): totals}, self.projects)

    def account(self):
        """Return granted, used and left."""
        (account,) = self.ledger.accounts(self.hours)
        return account.granted, account.used, account.left


@pytest.fixture
def site(tmp_path):
    created = Site(tmp_path)
    created.use(1000)  # the first window, since the start date, is not charged
    yield created
    created.ledger.close()


def test_usage_since_the_grant_is_charged(site):
    site.use(5)
    assert site.ledger.accounts(site.hours) == []
    site.grant(10)
    assert site.account() == (10, 0, 10)
    site.use(3)
    assert site.account() == (10, 3, 7)
    site.grant(20, resource="mb")
    site.use(3)
    mb, vcpu = site.ledger.accounts(site.hours)
    assert (mb.resource, mb.used, mb.left) == ("mb", 6, 14)
    assert (vcpu.resource, vcpu.used, vcpu.left) == ("vcpu", 6, 4)


def test_the_grant_that_expires_first_pays_first_and_its_rest_expires(site):
    site.grant(10)
    site.grant(10, until=site.hours + 2.5)
    site.use(4)
    site.use(4)
    assert site.account() == (20, 8, 12)
    site.use(0)
    assert site.account() == (10, 8, 10)


def test_a_window_ends_where_a_grant_begins_or_expires(site):
    site.hours = 100
    site.grant(10, until=300)
    site.hours = 250
    site.grant(10, until=300)
    assert site.ledger.windows(1, 200) == [100, 200]
    assert site.ledger.windows(1, 1000) == [100, 250, 310, 1000]  # none is shorter than a minute
    assert site.ledger.windows(250, 310) == [310]
    assert site.ledger.windows(300, 1000) == [1000]
    assert site.ledger.windows(0.5, 50) == [1, 50]  # up to 1 has been charged


def test_what_was_used_before_the_first_grant_is_not_charged(tmp_path):
    new = Site(tmp_path)
    assert new.ledger.windows(0, 1000) == [1000]
    new.hours = 100
    new.grant(10)
    assert new.ledger.charged_until == 100
    assert new.ledger.windows(0, 1000) == [100, 1000]
    new.hours = 99
    new.use(5)
    assert new.account() == (10, 0, 10)
    new.use(3)
    assert new.account() == (10, 3, 7)
    new.ledger.close()


def test_a_window_is_charged_to_the_grants_that_are_valid_when_it_begins(site):
    site.hours = 1.5
    site.grant(10)
    site.hours = 1
    site.use(3)
    assert site.account() == (10, 0, 10)
    site.use(3)
    assert site.account() == (10, 3, 7)


def test_usage_that_no_grant_covers_is_charged_to_the_next_grant(site):
    site.grant(10)
    site.use(25)
    assert site.account() == (10, 25, -15)
    site.grant(20)
    assert site.account() == (30, 25, 5)
    site.use(1)
    assert site.account() == (30, 26, 4)


def test_a_correction(site):
    site.grant(10)
    site.grant(-4)
    assert site.account() == (6, 0, 6)
    site.use(1)
    assert site.account() == (6, 1, 5)
    site.use(6)
    assert site.account() == (6, 7, -1)


def test_nothing_is_lost_by_a_restart_or_a_project_that_is_renamed_and_deleted(site):
    site.grant(10)
    site.use(1)
    site.projects = [PROJECT._replace(name="renamed")]
    site.use(1)
    site.ledger.close()
    site.open()
    site.projects = []
    site.use(1)  # its servers were deleted in this hour
    assert site.account() == (10, 3, 7)
    (account,) = site.ledger.accounts(site.hours)
    assert account.project == PROJECT._replace(name="renamed")


def test_a_project_inside_a_simplevm_project(site):
    site.grant(10, project_id="p/inside")
    site.use(2, Key("p", "inside"))
    site.use(5, Key("p"))
    assert site.account() == (10, 2, 8)
    assert site.ledger.accounts(site.hours)[0].project == PROJECT._replace(name="inside")


def test_a_grant_that_was_charged_may_not_disappear(site):
    site.grant(10)
    site.use(1)
    (site.directory / FILE).write_text("")
    with pytest.raises(UsageError, match="lacks the grant") as caught:
        site.use(1)
    assert caught.value.reason == "credits"


def test_a_failed_window_is_charged_in_whole_or_not_at_all(site, monkeypatch):
    site.grant(10)
    until = site.ledger.charged_until
    with monkeypatch.context() as patched:
        patched.setattr(site, "projects", [("p",)])  # the names are written after the charges
        with pytest.raises(UsageError, match="cannot be used"):
            site.use(3)
    assert site.ledger.charged_until == until
    assert site.account() == (10, 0, 10)


def test_a_file_that_is_not_a_database(tmp_path):
    (tmp_path / "credits.sqlite").write_text("not a database, but long enough to be one" * 100)
    with pytest.raises(UsageError, match="cannot be used"):
        CreditLedger(tmp_path)


def test_a_copy_that_was_made_while_the_exporter_was_writing(site):
    site.grant(10)
    for _ in range(200):
        site.projects.append(Project(f"p{len(site.projects)}", "name" * 50, "d", "default"))
    site.use(1)
    site.ledger.close()
    path = site.directory / "credits.sqlite"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(bytes(size - size // 2))
    with pytest.raises(UsageError, match="cannot be used"):
        site.open()


def test_a_damaged_database(site):
    site.grant(10)
    path = site.directory / "credits.sqlite"
    path.write_bytes(b"x" * path.stat().st_size)
    for use in (lambda: site.use(1), site.account):
        with pytest.raises(UsageError, match="cannot be used") as caught:
            use()
        assert caught.value.reason == "credits"
