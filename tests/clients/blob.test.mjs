// Blobs: upload, reference from a record, download.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { createAccount, xrpcError } from './network.mjs'

// One grey pixel.
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==', 'base64')

describe('a blob', () => {
  let account, agent
  before(async () => {
    account = await createAccount('blobs')
    agent = account.agent
  })

  test('is uploaded, used as an avatar, listed and downloaded', async () => {
    const { data: uploaded } = await agent.uploadBlob(PNG, { encoding: 'image/png' })
    assert.equal(uploaded.blob.size, PNG.length)
    assert.equal(uploaded.blob.mimeType, 'image/png')

    await agent.upsertProfile(() => ({ avatar: uploaded.blob }))
    const cid = uploaded.blob.ref.toString()
    const { data: listed } = await agent.com.atproto.sync.listBlobs({ did: account.did })
    assert.deepEqual(listed.cids, [cid])

    const { data, headers } = await agent.com.atproto.sync.getBlob({ did: account.did, cid })
    assert.deepEqual(Buffer.from(data), PNG)
    assert.equal(headers['content-type'], 'image/png')
    assert.equal(headers['x-content-type-options'], 'nosniff')
  })

  test('that nobody uploaded cannot be referred to', async () => {
    const { data: uploaded } = await agent.uploadBlob(Buffer.from('only text'), { encoding: 'text/plain' })
    const stranger = await createAccount('stranger')
    const record = { $type: 'com.example.file', file: uploaded.blob }
    const write = (by) => by.com.atproto.repo.createRecord({ repo: by.session.did, collection: record.$type, record })
    await assert.rejects(write(stranger.agent), xrpcError(400, 'BlobNotFound'))
    await write(agent)
  })

  test('goes when the last record that refers to it goes', async () => {
    const { data: uploaded } = await agent.uploadBlob(Buffer.from('passing'), { encoding: 'text/plain' })
    const address = { repo: account.did, collection: 'com.example.file', rkey: 'passing' }
    await agent.com.atproto.repo.putRecord({ ...address, record: { $type: address.collection, file: uploaded.blob } })
    const cid = uploaded.blob.ref.toString()
    const { data } = await agent.com.atproto.sync.getBlob({ did: account.did, cid })
    assert.equal(Buffer.from(data).toString(), 'passing')

    await agent.com.atproto.repo.deleteRecord(address)
    await assert.rejects(agent.com.atproto.sync.getBlob({ did: account.did, cid }), (error) => error.status === 400)
  })
})
