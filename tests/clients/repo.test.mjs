// Exports and proofs, read back and verified by @atproto/repo with the key that the PLC directory names.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import {
  MST, MemoryBlockstore, Repo, RepoVerificationError, formatDataKey, readCar, readCarWithRoot, verifyDiffCar,
  verifyProofs, verifyRecords, verifyRepoCar,
} from '@atproto/repo'
import { CID } from 'multiformats/cid'
import { createAccount, signingKey, xrpcError } from './network.mjs'

const COLLECTIONS = ['com.example.note', 'com.example.notes', 'org.example.note']

let alice, did, key, sync
before(async () => {
  alice = await createAccount('exporter')
  did = alice.did
  key = await signingKey(did)
  sync = alice.agent.com.atproto.sync
})

function value(collection, n) {
  return { $type: collection, text: `number ${n}`, createdAt: '2024-01-01T00:00:00.000Z' }
}

function applyWrites(writes) {
  const typed = writes.map(({ action, ...write }) => ({ $type: `com.atproto.repo.applyWrites#${action}`, ...write }))
  return alice.agent.com.atproto.repo.applyWrites({ repo: did, writes: typed }).then(({ data }) => data)
}

function create(collection, rkey, n) {
  return { action: 'create', collection, rkey, value: value(collection, n) }
}

function getRepo(since) {
  return sync.getRepo({ did, since }).then(({ data }) => data)
}

function proofOf(collection, rkey) {
  return sync.getRecord({ did, collection, rkey }).then(({ data }) => data)
}

/** Every record as listRecords gives it: at most 100 in each collection. */
async function listed() {
  const pages = COLLECTIONS.map((collection) => alice.agent.com.atproto.repo.listRecords({ repo: did, collection, limit: 100 }))
  const records = (await Promise.all(pages)).flatMap(({ data }) => data.records)
  return new Map(records.map((record) => [record.uri.replace(`at://${did}/`, ''), record.cid]))
}

async function load(car) {
  const { root, blocks } = await readCarWithRoot(car)
  return Repo.load(new MemoryBlockstore(blocks), root)
}

describe('an export', () => {
  before(async () => {
    const writes = Array.from({ length: 180 }, (_, n) => create(COLLECTIONS[n % 3], `key-${(n * 7919) % 1000}`, n))
    await applyWrites(writes)
    const changed = writes.slice(0, 20).map(({ collection, rkey }) => ({ action: 'update', collection, rkey, value: value(collection, 'new') }))
    const removed = writes.slice(20, 40).map(({ collection, rkey }) => ({ action: 'delete', collection, rkey }))
    await applyWrites([...changed, ...removed])
  })

  test('of an account without records is signed and empty', async () => {
    const { agent, did: empty } = await createAccount('empty')
    const { data } = await agent.com.atproto.sync.getRepo({ did: empty })
    const { creates } = await verifyRepoCar(data, empty, await signingKey(empty))
    assert.deepEqual(creates, [])
  })

  test('is signed by the account and holds exactly the records that are listed', async () => {
    const { creates } = await verifyRepoCar(await getRepo(), did, key)
    const exported = creates.map(({ collection, rkey, cid }) => [formatDataKey(collection, rkey), cid.toString()])
    assert.equal(exported.length, 160)
    assert.deepEqual(new Map(exported.sort()), new Map([...(await listed())].sort()))
  })

  test('is at the latest commit', async () => {
    const { root } = await readCarWithRoot(await getRepo())
    const { commit } = await load(await getRepo())
    const { data: latest } = await sync.getLatestCommit({ did })
    assert.deepEqual({ cid: root.toString(), rev: commit.rev }, latest)
    assert.deepEqual({ did: commit.did, version: commit.version, prev: commit.prev }, { did, version: 3, prev: null })
    const { data: status } = await sync.getRepoStatus({ did })
    assert.deepEqual(status, { did, active: true, rev: latest.rev })
  })

  test('has the one tree that its records lead to, and no other block', async () => {
    const car = await getRepo()
    const { blocks } = await readCarWithRoot(car)
    const { data: tree, commit } = await load(car)
    let rebuilt = await MST.create(new MemoryBlockstore())
    for (const leaf of await tree.leaves()) rebuilt = await rebuilt.add(leaf.key, leaf.value)
    assert.equal(String(await rebuilt.getPointer()), String(commit.data))
    const values = new Set((await tree.leaves()).map((leaf) => leaf.value.toString()))
    const nodes = (await tree.allNodes()).filter((entry) => entry.isTree())
    assert.equal(blocks.size, 1 + nodes.length + values.size)
  })

  test('is refused with the key of another account', async () => {
    const stranger = await createAccount('stranger')
    await assert.rejects(verifyRepoCar(await getRepo(), did, await signingKey(stranger.did)), RepoVerificationError)
  })

  test('since a rev brings the repo of that rev up to date', async () => {
    const old = await load(await getRepo())
    const touched = (await old.data.list(3)).map((leaf) => leaf.key.split('/'))
    const [updated, deleted] = touched
    await applyWrites([
      create('com.example.note', 'since-1', 1),
      { action: 'update', collection: updated[0], rkey: updated[1], value: value(updated[0], 'since') },
      { action: 'delete', collection: deleted[0], rkey: deleted[1] },
    ])
    await applyWrites([create('com.example.notes', 'since-2', 2)])

    const diff = await getRepo(old.commit.rev)
    const { writes, commit } = await verifyDiffCar(old, diff, did, key)
    const summary = writes.map((write) => `${write.action} ${write.collection}/${write.rkey}`).sort()
    const wanted = [
      `create com.example.note/since-1`, `create com.example.notes/since-2`,
      `delete ${deleted.join('/')}`, `update ${updated.join('/')}`,
    ]
    assert.deepEqual(summary, wanted)
    assert.equal(commit.rev, (await sync.getLatestCommit({ did })).data.rev)
    const { blocks } = await readCarWithRoot(diff)
    const repeated = (await old.data.leaves()).filter((leaf) => blocks.has(leaf.value))
    assert.deepEqual(repeated, [], 'records that the reader has are not sent again')
  })

  test('is there for anybody, and not for accounts that are not', async () => {
    const nobody = 'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa'
    await assert.rejects(sync.getRepo({ did: nobody }), xrpcError(400, 'RepoNotFound'))
    const { data } = await sync.listRepos({ limit: 1000 })
    const entry = data.repos.find((repo) => repo.did === did)
    assert.equal(entry.active, true)
    assert.equal(entry.head, (await sync.getLatestCommit({ did })).data.cid)
  })
})

describe('an import', () => {
  const importRepo = (car) => alice.agent.com.atproto.repo.importRepo(car, { encoding: 'application/vnd.ipld.car' })

  test('takes the place of the repo, signed by the account and newer than all before', async () => {
    const backup = await getRepo()
    await applyWrites([create('com.example.note', 'after-the-backup', 1)])
    const { data: before } = await sync.getLatestCommit({ did })
    await importRepo(backup)
    const [then, now] = [await load(backup), await load(await getRepo())]
    assert.equal(String(now.commit.data), String(then.commit.data))
    assert.ok(now.commit.rev > before.rev)
    await verifyRepoCar(await getRepo(), did, key)
    assert.equal((await listed()).size, (await then.data.leaves()).length)
  })

  test('of the repo of another account is refused', async () => {
    const { did: other, agent } = await createAccount('moved')
    const { data } = await agent.com.atproto.sync.getRepo({ did: other })
    await assert.rejects(importRepo(data), xrpcError(400, 'InvalidRequest'))
  })
})

describe('a proof', () => {
  before(() => applyWrites(Array.from({ length: 100 }, (_, n) => create('com.example.proof', `p${n}`, n))))

  test('shows a record with its value', async () => {
    const car = await proofOf('com.example.proof', 'p42')
    const records = await verifyRecords(car, did, key)
    const found = records.find(({ collection, rkey }) => collection === 'com.example.proof' && rkey === 'p42')
    assert.deepEqual(found.record, value('com.example.proof', 42))
    const { blocks } = await readCarWithRoot(car)
    assert.ok(blocks.size < 12, `${blocks.size} blocks: the path to one record, not the repo`)
  })

  test('binds a record key to one CID', async () => {
    const { data } = await alice.agent.com.atproto.repo.getRecord({ repo: did, collection: 'com.example.proof', rkey: 'p7' })
    const { data: other } = await alice.agent.com.atproto.repo.getRecord({ repo: did, collection: 'com.example.proof', rkey: 'p8' })
    const claim = (cid) => ({ collection: 'com.example.proof', rkey: 'p7', cid })
    const claims = [claim(CID.parse(data.cid)), claim(CID.parse(other.cid)), claim(null)]
    const { verified, unverified } = await verifyProofs(await proofOf('com.example.proof', 'p7'), claims, did, key)
    assert.deepEqual(verified, [claims[0]])
    assert.deepEqual(unverified, claims.slice(1))
  })

  for (const [collection, rkey] of [['com.example.proof', 'p420'], ['aaa.example.first', 'x'], ['zzz.example.last', 'x']]) {
    test(`shows that ${collection}/${rkey} does not exist`, async () => {
      const claims = [{ collection, rkey, cid: null }]
      const { verified, unverified } = await verifyProofs(await proofOf(collection, rkey), claims, did, key)
      assert.deepEqual({ verified, unverified }, { verified: claims, unverified: [] })
    })
  }
})

describe('blocks', () => {
  test('come by their CIDs: the commit, the root of the tree, a record', async () => {
    const repo = await load(await getRepo())
    const [leaf] = await repo.data.list(1)
    const cids = [repo.cid, repo.commit.data, leaf.value].map(String)
    const { data } = await sync.getBlocks({ did, cids })
    const { blocks } = await readCar(data)
    assert.deepEqual(blocks.cids().map(String).sort(), cids.sort())
  })

  test('of other repos do not', async () => {
    const { did: other, agent } = await createAccount('other')
    const { data } = await agent.com.atproto.sync.getLatestCommit({ did: other })
    await assert.rejects(sync.getBlocks({ did, cids: [data.cid] }), (error) => error.status === 400)
  })
})
