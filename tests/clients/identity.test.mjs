// Handles, DID documents and what the PLC directory was told.
import assert from 'node:assert/strict'
import http from 'node:http'
import { before, describe, test } from 'node:test'
import { Secp256k1Keypair } from '@atproto/crypto'
import { getHandle, getPds } from '@atproto/identity'
import { assureValidOp, validateOperationLog } from '@did-plc/lib'
import { PDS_URL, PLC_URL, createAccount, identityResolver, newCredentials, signingKey, xrpcError } from './network.mjs'

/** GET on the PDS with another Host header, which fetch would not send. */
function getWithHost(path, host) {
  return new Promise((resolve, reject) => {
    const request = http.get(new URL(path, PDS_URL), { headers: { host } }, async (response) => {
      const body = (await response.toArray()).join('')
      resolve({ status: response.statusCode, type: response.headers['content-type'], body })
    })
    request.on('error', reject)
  })
}

function fromDirectory(path) {
  return fetch(`${PLC_URL}/${path}`).then((response) => response.json())
}

let alice
before(async () => {
  alice = await createAccount('named')
})

describe('a handle', () => {
  test('is resolved, in any case', async () => {
    const { identity } = alice.agent.com.atproto
    assert.equal((await identity.resolveHandle({ handle: alice.handle })).data.did, alice.did)
    assert.equal((await identity.resolveHandle({ handle: alice.handle.toUpperCase() })).data.did, alice.did)
    const unknown = identity.resolveHandle({ handle: newCredentials('nobody').handle })
    await assert.rejects(unknown, xrpcError(400, 'HandleNotFound'))
  })

  test('is proved under its own host name', async () => {
    const { status, type, body } = await getWithHost('/.well-known/atproto-did', alice.handle)
    assert.deepEqual({ status, body }, { status: 200, body: alice.did })
    assert.match(type, /^text\/plain/)
    assert.equal((await getWithHost('/.well-known/atproto-did', newCredentials('nobody').handle)).status, 404)
    assert.equal((await getWithHost('/.well-known/atproto-did', new URL(PDS_URL).host)).status, 404)
  })

  test('is changed in the directory, the session and the lookup', async () => {
    const { agent, did, handle: old } = await createAccount('before')
    const { handle } = newCredentials('after')
    await agent.com.atproto.identity.updateHandle({ handle })
    assert.equal(getHandle(await fromDirectory(did)), handle)
    assert.equal((await agent.com.atproto.server.getSession()).data.handle, handle)
    assert.equal((await agent.com.atproto.identity.resolveHandle({ handle })).data.did, did)
    await assert.rejects(agent.com.atproto.identity.resolveHandle({ handle: old }), xrpcError(400, 'HandleNotFound'))
    assert.equal((await getWithHost('/.well-known/atproto-did', handle)).body, did)
  })

  test('of another account is not taken', async () => {
    const { agent } = await createAccount('thief')
    await assert.rejects(agent.com.atproto.identity.updateHandle({ handle: alice.handle }), (error) => error.status === 400)
  })
})

describe('a DID', () => {
  test('document is in the directory as createAccount gave it', async () => {
    const document = await fromDirectory(alice.did)
    assert.deepEqual(alice.created.didDoc, document)
    assert.deepEqual({ handle: getHandle(document), pds: getPds(document) }, { handle: alice.handle, pds: PDS_URL })
    assert.deepEqual(await identityResolver.did.resolve(alice.did), document)
  })

  test('comes from a genesis operation that the directory library finds valid', async () => {
    const log = await fromDirectory(`${alice.did}/log`)
    assert.equal(log.length, 1)
    await assureValidOp(log[0])
    assert.deepEqual(await validateOperationLog(alice.did, log), await fromDirectory(`${alice.did}/data`))
    assert.equal(log[0].prev, null)
  })

  test('keeps a valid log when its handle changes', async () => {
    const { agent, did } = await createAccount('logged')
    await agent.com.atproto.identity.updateHandle({ handle: newCredentials('changed').handle })
    const log = await fromDirectory(`${did}/log`)
    assert.equal(log.length, 2)
    assert.deepEqual(await validateOperationLog(did, log), await fromDirectory(`${did}/data`))
    assert.deepEqual(log[1].rotationKeys, log[0].rotationKeys)
    assert.deepEqual(log[1].verificationMethods, log[0].verificationMethods)
  })

  test('is rotated by the key of the PDS and signs with a key of its own', async () => {
    const { data: recommended } = await alice.agent.com.atproto.identity.getRecommendedDidCredentials()
    const { rotationKeys, verificationMethods, alsoKnownAs, services } = await fromDirectory(`${alice.did}/data`)
    assert.deepEqual(recommended, { rotationKeys, verificationMethods, alsoKnownAs, services })
    assert.equal(verificationMethods.atproto, await signingKey(alice.did))
    const bob = await createAccount('another')
    assert.notEqual(await signingKey(bob.did), verificationMethods.atproto)
    assert.ok(!rotationKeys.includes(verificationMethods.atproto))
  })

  const rotationKey = process.env.PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX
  test('has the rotation key that the operator set', { skip: !rotationKey && 'the server was started elsewhere' }, async () => {
    const keypair = await Secp256k1Keypair.import(rotationKey)
    const { rotationKeys } = await fromDirectory(`${alice.did}/data`)
    assert.deepEqual(rotationKeys, [keypair.did()])
  })
})
