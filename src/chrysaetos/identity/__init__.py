"""Who is asking. Keystone alone says so."""

from chrysaetos.identity.caller import Authenticator, Caller

__all__ = ["Authenticator", "Caller"]
