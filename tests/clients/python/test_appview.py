"""The Python SDK's usual log-in, which reads the account's profile from the AppView."""

import unittest

from atproto import Client
from test_sdk import PDS_URL, Account


class ProfileTest(unittest.TestCase):
    def test_login_reads_the_profile_from_the_appview(self):
        account = Account()
        client = Client(PDS_URL)
        profile = client.login(account.handle, account.password)
        self.assertEqual(profile.did, account.did)
        self.assertEqual(client.me.did, account.did)
