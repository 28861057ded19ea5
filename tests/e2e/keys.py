"""Callers with an API key, as tests/e2e/test_keys.py and its like need them."""

import json
import secrets

from service import Client


def new_secret():
    return secrets.token_urlsafe(24)


class Caller(Client):
    """Calls a service with a key."""

    def __init__(self, service, secret):
        super().__init__(service.port)
        self.secret = secret

    def request(self, method, target, body=None, headers=None, **options):
        headers = {"Authorization": f"Bearer {self.secret}", **(headers or {})}
        return super().request(method, target, body, headers, **options)


def keys_file(path, **keys):
    """Writes a file of keys with the given members; returns the secrets by name."""
    found = {name: new_secret() for name in keys}
    path.write_text(json.dumps(
        {"keys": [{"name": name, "key": found[name], **keys[name]} for name in keys]}))
    return found
