// What a client asks the PDS for and the AppView answers.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyJwt } from '@atproto/xrpc-server'
import { APPVIEW_URL, createAccount, signingKey, xrpcError } from './network.mjs'

let alice
before(async () => {
  alice = await createAccount('viewer')
})

describe('a call for the AppView', { skip: !APPVIEW_URL && 'APPVIEW_URL is not set' }, () => {
  test('arrives with a service token signed by the account', async () => {
    const { data } = await alice.agent.getProfile({ actor: alice.did })
    assert.equal(data.did, alice.did)
    assert.equal(data.handle, alice.handle)
    assert.equal(data.displayName, `asked for ${alice.did}`)
  })

  test('arrives when the client names the service', async () => {
    const did = `did:web:${encodeURIComponent(new URL(APPVIEW_URL).host)}`
    const { data } = await alice.agent.withProxy('bsky_appview', did).getProfile({ actor: alice.handle })
    assert.equal(data.displayName, `asked for ${alice.handle}`)
  })

  test('fails with the error of the AppView', async () => {
    await assert.rejects(alice.agent.getProfile({ actor: 'nobody.test' }), {
      ...xrpcError(400, 'InvalidRequest'),
      message: 'Profile not found',
    })
  })
})

describe('preferences', () => {
  test('stay on the PDS and belong to the account', async () => {
    await alice.agent.setAdultContentEnabled(true)
    await alice.agent.addSavedFeeds([{ type: 'timeline', value: 'following', pinned: true }])
    const preferences = await alice.agent.getPreferences()
    assert.equal(preferences.moderationPrefs.adultContentEnabled, true)
    assert.equal(preferences.savedFeeds[0].value, 'following')
    const bob = await createAccount('other')
    assert.equal((await bob.agent.getPreferences()).moderationPrefs.adultContentEnabled, false)
  })
})
