import json

from tests.demo.people import account, identities

from chrysaetos.demo.identities import Account, Identities, password_auth


def test_identities_survive_json() -> None:
    accounts = identities()
    assert Identities.from_json(json.loads(json.dumps(accounts.to_json()))) == accounts


def test_a_user_without_a_role_has_no_project_in_json() -> None:
    stranger = Account(user="stranger", user_id="1", password="p")
    assert stranger.to_json() == {"user": "stranger", "user_id": "1", "password": "p", "domain": "default"}


def test_an_account_requests_a_token_for_its_project() -> None:
    assert account("bubo").auth()["auth"]["scope"] == {"project": {"id": "project-bubo"}}


def test_without_a_scope_the_token_is_unscoped() -> None:
    assert password_auth("1", "p")["auth"]["scope"] == "unscoped"
