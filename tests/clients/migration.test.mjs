// Accounts move between this server and the reference PDS, in both directions, as a migration tool moves them: by the API alone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AtpAgent } from '@atproto/api'
import { verifyRepoCar } from '@atproto/repo'
import { Consumer } from './consumer.mjs'
import { MAIL_URL, PDS_URL, createInviteCode, identityResolver, mailWithCode, newCredentials, post, signingKey } from './network.mjs'
import { Subscription, commitOf, didOf } from './subscription.mjs'

const REFERENCE_URL = process.env.REFERENCE_URL
const skip = !REFERENCE_URL && 'NOT RUN: the reference PDS is not installed'
const PICTURE = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
const POSTS = 25

/** An account with posts, a picture, a profile and preferences. */
async function settle(service) {
  const credentials = newCredentials('mover')
  const agent = new AtpAgent({ service })
  await agent.createAccount({ ...credentials, inviteCode: await createInviteCode(1, service) })
  for (let n = 0; n < POSTS; n++) await agent.com.atproto.repo.createRecord({ repo: agent.did, collection: 'app.bsky.feed.post', record: post(`number ${n}`) })
  const { data } = await agent.com.atproto.repo.uploadBlob(PICTURE, { encoding: 'image/png' })
  const profile = { $type: 'app.bsky.actor.profile', displayName: 'Mover', avatar: data.blob }
  await agent.com.atproto.repo.putRecord({ repo: agent.did, collection: 'app.bsky.actor.profile', rkey: 'self', record: profile })
  const preferences = [{ $type: 'app.bsky.actor.defs#adultContentPref', enabled: false }, { $type: 'app.bsky.actor.defs#savedFeedsPrefV2', items: [] }]
  await agent.app.bsky.actor.putPreferences({ preferences })
  return { ...credentials, did: agent.did, agent }
}

async function latestRev(agent, did) {
  return (await agent.com.atproto.sync.getLatestCommit({ did })).data.rev
}

async function listRecords(agent, did, collection) {
  return (await agent.com.atproto.repo.listRecords({ repo: did, collection, limit: 100 })).data.records
}

/** Creates the account on the new server with a token of the old one; it is off until its DID points there. */
async function createAt(service, { did, handle, email, password, agent: old }) {
  const agent = new AtpAgent({ service })
  const { data: server } = await agent.com.atproto.server.describeServer()
  const lxm = 'com.atproto.server.createAccount'
  const { data: { token } } = await old.com.atproto.server.getServiceAuth({ aud: server.did, lxm })
  const input = { did, handle, email, password, inviteCode: await createInviteCode(1, service) }
  await agent.com.atproto.server.createAccount(input, { headers: { authorization: `Bearer ${token}` }, encoding: 'application/json' })
  await agent.login({ identifier: did, password })
  return agent
}

/** Brings records, blobs and preferences along. */
async function bringData(old, agent, did) {
  const { data: car } = await old.com.atproto.sync.getRepo({ did })
  await agent.com.atproto.repo.importRepo(car, { encoding: 'application/vnd.ipld.car' })
  const { data: missing } = await agent.com.atproto.repo.listMissingBlobs({ limit: 100 })
  for (const { cid } of missing.blobs) {
    const { data, headers } = await old.com.atproto.sync.getBlob({ did, cid })
    await agent.com.atproto.repo.uploadBlob(data, { encoding: headers['content-type'] })
  }
  const { data: preferences } = await old.app.bsky.actor.getPreferences()
  await agent.app.bsky.actor.putPreferences(preferences)
  return missing.blobs.length
}

/** Points the DID to the new server: the old one signs what the new one recommends, with a code that it mails. */
async function pointDid(old, agent, email) {
  const { data: credentials } = await agent.com.atproto.identity.getRecommendedDidCredentials()
  await old.com.atproto.identity.requestPlcOperationSignature()
  const { data } = await old.com.atproto.identity.signPlcOperation({ ...credentials, token: (await mailWithCode(email)).token })
  await agent.com.atproto.identity.submitPlcOperation({ operation: data.operation })
}

/** Follows one account of a host from the beginning, as a strict relay does: what it has seen of the repo is in `consumer`. */
class Follower {
  consumer = new Consumer()
  #subscription
  #seen = 0

  static async of(service, did) {
    const follower = new Follower()
    follower.did = did
    follower.#subscription = await Subscription.open(0, service)
    return follower
  }

  /** Accepts every event of the account up to the one that `matches`; gives those that are new. */
  async until(matches) {
    const frames = await this.#subscription.until((frame) => didOf(frame) === this.did && matches(frame))
    const fresh = frames.slice(this.#seen).filter((frame) => didOf(frame) === this.did)
    this.#seen = frames.length
    for (const frame of fresh) await this.consumer.accept(frame)
    return fresh
  }

  close() {
    this.#subscription.close()
  }
}

async function move(from, to) {
  const mover = await settle(from)
  const { agent: old, did } = mover
  const follower = await Follower.of(from, did)
  await follower.until(commitOf(did, await latestRev(old, did)))
  const before = {
    rev: await latestRev(old, did), posts: await listRecords(old, did, 'app.bsky.feed.post'),
    preferences: (await old.app.bsky.actor.getPreferences()).data.preferences,
  }
  const agent = await createAt(to, mover)
  await assert.rejects(agent.com.atproto.server.activateAccount(), (error) => error.status === 400)
  assert.equal(await bringData(old, agent, did), 1)
  const { data: arrived } = await agent.com.atproto.server.checkAccountStatus()
  assert.partialDeepStrictEqual(arrived, { activated: false, validDid: false, indexedRecords: POSTS + 1, expectedBlobs: 1, importedBlobs: 1 })
  await pointDid(old, agent, mover.email)
  await agent.com.atproto.server.activateAccount()
  await old.com.atproto.server.deactivateAccount({})
  const [left, ...further] = await follower.until(({ type, body }) => type === '#account' && !body.active)
  follower.close()
  assert.deepEqual([left.type, left.body.status, further], ['#account', 'deactivated', []], 'the old host says that it was left, and nothing else')
  return { ...mover, old, agent, before, repos: follower.consumer.repos }
}

/** What this server has told of the account that came, up to its first post here; a relay that knows it from the old host takes it all. */
async function checkArrival({ did, agent, repos }) {
  const follower = await Follower.of(PDS_URL, did)
  follower.consumer.repos = repos
  const told = await follower.until(commitOf(did, await latestRev(agent, did)))
  follower.close()
  assert.deepEqual(told.map(({ type }) => type), ['#account', '#identity', '#sync', '#commit'])
  assert.partialDeepStrictEqual(told[0].body, { active: true })
}

async function checkMoved({ did, handle, old, agent, before }, to) {
  const { data: status } = await agent.com.atproto.server.checkAccountStatus()
  assert.partialDeepStrictEqual(status, { activated: true, validDid: true })
  assert.deepEqual(await listRecords(agent, did, 'app.bsky.feed.post'), before.posts)
  assert.deepEqual((await agent.app.bsky.actor.getPreferences()).data.preferences, before.preferences)
  const [profile] = await listRecords(agent, did, 'app.bsky.actor.profile')
  const { data: picture } = await agent.com.atproto.sync.getBlob({ did, cid: profile.value.avatar.ref.toString() })
  assert.deepEqual(Buffer.from(picture), PICTURE)

  const { pds, handle: claimed } = await identityResolver.did.resolveAtprotoData(did, true)
  assert.deepEqual({ pds, claimed }, { pds: to, claimed: handle })
  assert.equal((await agent.com.atproto.identity.resolveHandle({ handle })).data.did, did)
  const left = await old.com.atproto.sync.getRepoStatus({ did })
  assert.partialDeepStrictEqual(left.data, { active: false, status: 'deactivated' })

  await agent.com.atproto.repo.createRecord({ repo: did, collection: 'app.bsky.feed.post', record: post('from the new home') })
  assert.ok(await latestRev(agent, did) > before.rev, 'the rev is greater than before')
  const { data: car } = await agent.com.atproto.sync.getRepo({ did })
  const { creates } = await verifyRepoCar(car, did, await signingKey(did))
  assert.equal(creates.length, POSTS + 2)
}

describe('an account', { skip }, () => {
  test('moves from the reference PDS to this server', async () => {
    const moved = await move(REFERENCE_URL, PDS_URL)
    // Right after the activation the head is a commit of this server already, and signed with the account's new key.
    assert.ok(await latestRev(moved.agent, moved.did) > moved.before.rev)
    const { data: car } = await moved.agent.com.atproto.sync.getRepo({ did: moved.did })
    await verifyRepoCar(car, moved.did, await signingKey(moved.did))
    await checkMoved(moved, PDS_URL)
    await checkArrival(moved)
  })

  test('moves from this server to the reference PDS', async () => {
    await checkMoved(await move(PDS_URL, REFERENCE_URL), REFERENCE_URL)
  })

  test('moves away and comes back', async () => {
    const away = await move(PDS_URL, REFERENCE_URL)
    await away.agent.com.atproto.repo.createRecord({ repo: away.did, collection: 'app.bsky.feed.post', record: post('from away') })
    const rev = await latestRev(away.agent, away.did)
    const home = new AtpAgent({ service: PDS_URL })
    await home.login({ identifier: away.did, password: away.password })
    const { data: car } = await away.agent.com.atproto.sync.getRepo({ did: away.did })
    await home.com.atproto.repo.importRepo(car, { encoding: 'application/vnd.ipld.car' })
    await fetch(`${MAIL_URL}/mails?to=${encodeURIComponent(away.email)}`, { method: 'DELETE' })
    await pointDid(away.agent, home, away.email)
    await home.com.atproto.server.activateAccount()
    assert.ok(await latestRev(home, away.did) > rev)
    assert.equal((await listRecords(home, away.did, 'app.bsky.feed.post')).length, POSTS + 1)
  })
})
