// A firehose consumer that trusts nothing: it keeps each repo's head and records from the events alone and checks every
// event against them, as Sync 1.1 asks for (https://atproto.com/specs/sync).
import assert from 'node:assert/strict'
import { MST, MemoryBlockstore, def, readCarWithRoot, verifyCommitSig } from '@atproto/repo'
import { signingKey } from './network.mjs'

const MAX_OPS = 200
const MAX_BLOCKS_BYTES = 2_000_000
const TID = /^[2-7a-j][2-7a-z]{12}$/

export class Consumer {
  /** By DID: rev and data of the head, and the CID of the record at each path. */
  repos = new Map()
  #keys = new Map()
  #seq = -1

  /** Checks the next event of the stream; throws an AssertionError that names what is wrong. */
  async accept({ type, body }) {
    assert.ok(Number.isSafeInteger(body.seq) && body.seq > this.#seq, `seq ${body.seq} comes after ${this.#seq}`)
    this.#seq = body.seq
    assert.equal(new Date(body.time).toISOString(), body.time, 'time is an ISO 8601 instant in UTC')
    if (type === '#commit') return this.#acceptCommit(body)
    if (type === '#sync') return this.#acceptSync(body)
    assert.ok(type === '#identity' || type === '#account', `unknown event ${type}`)
    assert.match(body.did, /^did:/)
    if (type === '#identity') this.#keys.delete(body.did)
    if (type === '#account') assert.equal(typeof body.active, 'boolean')
    if (type === '#account' && !body.active) assert.equal(typeof body.status, 'string')
  }

  async #acceptSync(body) {
    const { commit, blocks } = await this.#signedCommit(body.did, body.rev, body.blocks)
    assert.equal(blocks.size, 1, '#sync carries the commit and nothing else')
    const repo = this.repos.get(body.did)
    assert.ok(repo, '#sync follows a #commit')
    assert.ok(commit.rev >= repo.rev, 'rev never goes back')
    assert.equal(String(commit.data), repo.data, 'the records did not change without a #commit')
    repo.rev = commit.rev
  }

  async #acceptCommit(body) {
    assert.deepEqual([body.tooBig, body.rebase, body.blobs], [false, false, []], 'retired fields keep their fixed values')
    assert.ok(body.ops.length <= MAX_OPS && body.blocks.length <= MAX_BLOCKS_BYTES, 'within the limits of the protocol')
    const { commit, blocks, root } = await this.#signedCommit(body.repo, body.rev, body.blocks)
    assert.equal(String(root), String(body.commit), 'the CAR root is the commit')

    const repo = this.repos.get(body.repo)
    assert.equal(body.since, repo?.rev ?? null, 'since is the rev before')
    assert.equal(body.prevData && String(body.prevData), repo?.data, 'prevData is the tree before')
    if (repo) assert.ok(body.rev > repo.rev, 'rev goes up')

    const records = new Map(repo?.records)
    for (const op of body.ops) applyOp(op, records, blocks)
    const before = await invert(body.ops, MST.load(new MemoryBlockstore(blocks), commit.data))
    assert.equal(before, repo?.data ?? (await emptyTree()), 'undoing the operations gives the tree before')
    this.repos.set(body.repo, { rev: body.rev, data: String(commit.data), records })
  }

  /** The commit at the root of the CAR, after checking who signed it. */
  async #signedCommit(did, rev, car) {
    const { root, blocks } = await readCarWithRoot(car)
    const commit = await new MemoryBlockstore(blocks).readObj(root, def.commit)
    assert.deepEqual({ did: commit.did, rev: commit.rev, version: commit.version }, { did, rev, version: 3 })
    assert.match(rev, TID)
    if (!this.#keys.has(did)) this.#keys.set(did, await signingKey(did))
    assert.ok(await verifyCommitSig(commit, this.#keys.get(did)), 'signed by the account')
    return { root, blocks, commit }
  }
}

/** Changes `records` as the operation says, checking that it says truly what was there before. */
function applyOp({ action, path, cid, prev }, records, blocks) {
  const existing = records.get(path)
  assert.equal(prev && String(prev), existing, `prev of ${action} ${path}`)
  assert.equal(existing === undefined, action === 'create', `${action} ${path}: wrong kind of operation`)
  if (action === 'delete') {
    assert.equal(cid, null)
    records.delete(path)
    return
  }
  assert.ok(blocks.has(cid), `the value of ${path} is in the CAR`)
  records.set(path, String(cid))
}

/** CID of the tree before the operations; fails when the CAR lacks a node that undoing them needs. */
async function invert(ops, tree) {
  for (const { action, path, cid, prev } of ops.toReversed()) {
    assert.equal(String(await tree.get(path)), String(cid), `${path} is in the tree as the operation says`)
    if (action === 'create') tree = await tree.delete(path)
    if (action === 'update') tree = await tree.update(path, prev)
    if (action === 'delete') tree = await tree.add(path, prev)
  }
  return String(await tree.getPointer())
}

async function emptyTree() {
  const tree = await MST.create(new MemoryBlockstore())
  return String(await tree.getPointer())
}
