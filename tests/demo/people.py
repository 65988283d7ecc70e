"""Sample identities that need no Keystone."""

from chrysaetos.demo.identities import Account, ApplicationCredential, Identities

__all__ = ["account", "identities"]


def account(name: str, role: str = "member") -> Account:
    return Account(
        user=name,
        user_id=f"user-{name}",
        password=f"pass'word $of {name}",
        project_id=f"project-{name}",
        project_name=name,
        role=role,
        application_credential=ApplicationCredential(f"id-{name}", f"secret-{name}"),
    )


def identities() -> Identities:
    return Identities(
        tenants=(account("aquila"), account("bubo", "reader"), account("corvus")),
        admin=account("admin", "admin"),
        service=account("service", "service"),
        stranger=Account(user="stranger", user_id="user-stranger", password="p"),
        gateway=account("aetos", "service"),
    )
