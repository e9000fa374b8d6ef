"""The Python SDK (https://atproto.blue) against the PDS at PDS_URL: session, records, blobs, repo export, firehose."""

import base64
import json
import os
import secrets
import threading
import unittest
import urllib.request

from atproto import CAR, CID, Client, FirehoseSubscribeReposClient, models, parse_subscribe_repos_message
from atproto.exceptions import BadRequestError, UnauthorizedError

PDS_URL = os.environ['PDS_URL']
FIREHOSE_PATIENCE_SECONDS = 20


def create_invite_code():
    password = os.environ.get('PDS_ADMIN_PASSWORD', 'admin-pass')
    headers = {
        'content-type': 'application/json',
        'authorization': 'Basic ' + base64.b64encode(f'admin:{password}'.encode()).decode(),
    }
    url = f'{PDS_URL}/xrpc/com.atproto.server.createInviteCode'
    with urllib.request.urlopen(urllib.request.Request(url, data=b'{"useCount":1}', headers=headers)) as response:
        return json.load(response)['code']


class Account:
    """A new account and a client that is logged in to it."""

    def __init__(self):
        name = 'py' + secrets.token_hex(5)
        self.handle, self.password = f'{name}.test', f'password of {name}'
        created = Client(PDS_URL).com.atproto.server.create_account(
            {
                'handle': self.handle,
                'email': f'{name}@mail.test',
                'password': self.password,
                'invite_code': create_invite_code(),
            }
        )
        self.did = created.did
        self.client = Client(PDS_URL)
        self.client.login(self.handle, self.password, fetch_bsky_profile=False)

    def post(self, text):
        # Without a profile from the AppView the client does not know whose post it is.
        return self.client.send_post(text, profile_identify=self.did)

    def posts(self):
        records = self.client.com.atproto.repo.list_records({'repo': self.did, 'collection': 'app.bsky.feed.post'}).records
        return [record.value.text for record in records]


class SessionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.account = Account()

    def test_login_gives_a_session_of_the_account(self):
        session = self.account.client.com.atproto.server.get_session()
        self.assertEqual((session.did, session.handle, session.active), (self.account.did, self.account.handle, True))

    def test_wrong_password_is_refused(self):
        with self.assertRaises(UnauthorizedError) as refused:
            Client(PDS_URL).login(self.account.handle, 'wrong', fetch_bsky_profile=False)
        self.assertEqual(refused.exception.response.content.error, 'AuthenticationRequired')

    def test_exported_session_is_used_by_another_client(self):
        client = Client(PDS_URL)
        client.login(session_string=self.account.client.export_session_string(), fetch_bsky_profile=False)
        self.assertEqual(client.com.atproto.server.get_session().did, self.account.did)


class RecordsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.account = Account()

    def test_post_is_sent_listed_and_deleted(self):
        account = Account()
        client = account.client
        first, second = account.post('first from Python'), account.post('second from Python')
        self.assertEqual(account.posts(), ['second from Python', 'first from Python'])

        rkey = first.uri.split('/')[-1]
        record = client.com.atproto.repo.get_record(
            {'repo': account.did, 'collection': 'app.bsky.feed.post', 'rkey': rkey}
        )
        self.assertEqual((record.cid, record.value.text), (first.cid, 'first from Python'))

        self.assertTrue(client.delete_post(first.uri))
        self.assertEqual(account.posts(), ['second from Python'])
        self.assertTrue(client.delete_post(second.uri))

    def test_record_that_is_not_there_is_an_error(self):
        with self.assertRaises(BadRequestError) as missing:
            self.account.client.com.atproto.repo.get_record(
                {'repo': self.account.did, 'collection': 'app.bsky.feed.post', 'rkey': '3aaaaaaaaaaaa'}
            )
        self.assertEqual(missing.exception.response.content.error, 'RecordNotFound')

    def test_blob_is_uploaded_referred_to_and_downloaded(self):
        client, did = self.account.client, self.account.did
        blob = client.upload_blob(b'hello from Python').blob
        self.assertEqual(blob.size, 17)
        record = {'$type': 'com.example.file', 'file': blob.model_dump(by_alias=True)}
        client.com.atproto.repo.create_record({'repo': did, 'collection': 'com.example.file', 'record': record})
        self.assertEqual(client.com.atproto.sync.get_blob({'did': did, 'cid': blob.cid.encode()}), b'hello from Python')

    def test_export_holds_the_commit_and_the_records(self):
        client, did = self.account.client, self.account.did
        post = self.account.post('exported')
        car = CAR.from_bytes(client.com.atproto.sync.get_repo({'did': did}))
        commit = car.blocks[car.root]
        self.assertEqual((commit['did'], commit['version']), (did, 3))
        self.assertEqual(car.root.encode(), client.com.atproto.sync.get_latest_commit({'did': did}).cid)
        self.assertEqual(car.blocks[CID.decode(post.cid)]['text'], 'exported')


class FirehoseTest(unittest.TestCase):
    def read_until(self, last_rev):
        """All messages from the oldest kept to the commit with this rev."""
        firehose = FirehoseSubscribeReposClient({'cursor': 0}, base_uri=PDS_URL.replace('http', 'ws', 1) + '/xrpc')
        messages = []

        def on_message(frame):
            message = parse_subscribe_repos_message(frame)
            messages.append(message)
            if getattr(message, 'rev', None) == last_rev:
                firehose.stop()

        reader = threading.Thread(target=firehose.start, args=(on_message,), daemon=True)
        reader.start()
        reader.join(FIREHOSE_PATIENCE_SECONDS)
        self.assertFalse(reader.is_alive(), f'rev {last_rev} is not among {len(messages)} messages')
        return messages

    def test_post_arrives_as_a_commit_with_its_record(self):
        account = Account()
        post = account.post('on the firehose')
        rev = account.client.com.atproto.sync.get_latest_commit({'did': account.did}).rev
        messages = self.read_until(rev)

        sequence = [message.seq for message in messages]
        self.assertEqual(sequence, sorted(set(sequence)))
        types = [type(m).__name__ for m in messages if getattr(m, 'repo', getattr(m, 'did', None)) == account.did]
        self.assertEqual(types, ['Identity', 'Account', 'Commit', 'Sync', 'Commit'])

        commit = messages[-1]
        self.assertIsInstance(commit, models.ComAtprotoSyncSubscribeRepos.Commit)
        [operation] = commit.ops
        self.assertEqual((operation.action, f'at://{account.did}/{operation.path}'), ('create', post.uri))
        record = CAR.from_bytes(commit.blocks).blocks[operation.cid]
        self.assertEqual((operation.cid.encode(), record['text']), (post.cid, 'on the firehose'))


if __name__ == '__main__':
    unittest.main()
