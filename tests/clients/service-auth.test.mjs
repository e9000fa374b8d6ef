// The tokens that the PDS signs for other services.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyJwt } from '@atproto/xrpc-server'
import { createAccount, signingKey, xrpcError } from './network.mjs'

let alice
before(async () => {
  alice = await createAccount('caller')
})

describe('a service token', () => {
  const aud = 'did:web:service.example'
  const lxm = 'com.example.method'

  test('is accepted by the service it is for', async () => {
    const { data } = await alice.agent.com.atproto.server.getServiceAuth({ aud, lxm })
    const payload = await verifyJwt(data.token, aud, lxm, (iss) => signingKey(iss))
    assert.equal(payload.iss, alice.did)
    assert.ok(payload.exp <= Date.now() / 1000 + 61)
  })

  test('is refused by others and for other methods', async () => {
    const { data } = await alice.agent.com.atproto.server.getServiceAuth({ aud, lxm })
    const verify = (service, method) => verifyJwt(data.token, service, method, (iss) => signingKey(iss))
    await assert.rejects(verify('did:web:other.example', lxm), { customErrorName: 'BadJwtAudience' })
    await assert.rejects(verify(aud, 'com.example.other'), { customErrorName: 'BadJwtLexiconMethod' })
  })

  test('is not given for what only the account itself may do', async () => {
    const ask = alice.agent.com.atproto.server.getServiceAuth({ aud, lxm: 'com.atproto.server.createAppPassword' })
    await assert.rejects(ask, (error) => error.status === 400)
  })
})
