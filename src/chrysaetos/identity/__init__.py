"""Authentication: Keystone alone decides who a caller is."""

from chrysaetos.identity.caller import Authenticator, Caller

__all__ = ["Authenticator", "Caller"]
