"""Sites and portals: a site publishes selected series, and a portal collects them with a named token.

``chrysaetos.portals`` decides which series a token may read; ``alone`` and ``main`` serve the gate without
the gateway. ``site``, ``registry`` (the portal's sites), ``portal``, ``rules`` and ``dashboards`` generate
the files of sites and portals, and ``chrysaetos.scaffold`` writes them.
"""
