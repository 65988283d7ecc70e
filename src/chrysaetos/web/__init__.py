"""The web page for tenants: sessions in sealed cookies, log-in with Keystone, and the page's files."""
