// The firehose, read by a consumer that verifies every event and by @atproto/sync.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { IdResolver } from '@atproto/identity'
import { blocksToCarFile, cborToLex, readCarWithRoot } from '@atproto/repo'
import { Firehose } from '@atproto/sync'
import { Consumer } from './consumer.mjs'
import { PDS_URL, PLC_URL, createAccount, newCredentials, post, xrpc } from './network.mjs'
import { Subscription, commitOf, didOf } from './subscription.mjs'

const COLLECTION = 'com.example.stream'

function applyWrites({ agent, did }, writes) {
  const typed = writes.map(({ action, ...write }) => ({ $type: `com.atproto.repo.applyWrites#${action}`, collection: COLLECTION, ...write }))
  return agent.com.atproto.repo.applyWrites({ repo: did, writes: typed }).then(({ data }) => data.commit)
}

/** Writes one record; gives the commit. */
function write({ agent, did }, text) {
  const record = { $type: COLLECTION, text }
  return agent.com.atproto.repo.createRecord({ repo: did, collection: COLLECTION, record }).then(({ data }) => data.commit)
}

/** The last commit as an answer of getLatestCommit. */
function head({ agent, did }) {
  return agent.com.atproto.sync.getLatestCommit({ did }).then(({ data }) => data)
}

/** All events from the oldest to the one that `matches`. */
async function replay(matches, cursor = 0) {
  const subscription = await Subscription.open(cursor)
  const frames = await subscription.until(matches)
  subscription.close()
  return frames
}

/** A subscription to new events that is known to get them: it has seen one. */
async function openLive(account) {
  const subscription = await Subscription.open()
  while (subscription.frames.length === 0) await write(account, 'is anybody there?')
  return subscription
}

/** Numbers below `limit` that are the same in every run. */
function sequenceOfNumbers(seed) {
  return (limit) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * limit)
  }
}

/** Up to 20 writes to different keys, which fit the records that are there; `keys` is brought up to date. */
function randomWrites(keys, below) {
  const rkeys = new Set(Array.from({ length: 1 + below(20) }, () => `key-${below(120)}`))
  return [...rkeys].map((rkey) => {
    const value = { n: below(1_000_000) }
    if (!keys.has(rkey)) return keys.add(rkey) && { action: 'create', rkey, value }
    if (below(2) === 0) return { action: 'update', rkey, value }
    return keys.delete(rkey) && { action: 'delete', rkey }
  })
}

describe('every event since the start of the server', () => {
  let account, consumer, frames
  before(async () => {
    account = await createAccount('writer')
    const { agent, did } = account
    const { uri } = await agent.post(post('first'))
    await agent.deletePost(uri)
    await agent.upsertProfile(() => ({ displayName: 'Writer' }))
    await agent.upsertProfile((profile) => ({ ...profile, description: 'changed' }))
    await agent.follow('did:plc:aaaaaaaaaaaaaaaaaaaaaaaa')
    await agent.follow('did:plc:aaaaaaaaaaaaaaaaaaaaaaaa')
    await applyWrites(account, Array.from({ length: 200 }, (_, n) => ({ action: 'create', rkey: `bulk-${n}`, value: { n } })))
    const below = sequenceOfNumbers(20240101)
    const keys = new Set()
    for (let n = 0; n < 30; n += 1) await applyWrites(account, randomWrites(keys, below))
    await applyWrites(account, Array.from({ length: 200 }, (_, n) => ({ action: 'delete', rkey: `bulk-${n}` })))

    consumer = new Consumer()
    frames = await replay(commitOf(did, (await head(account)).rev))
  })

  test('is verified: signature, order, since and prevData, operations that can be undone', async () => {
    for (const frame of frames) await consumer.accept(frame)
    assert.ok(frames.filter(({ body }) => body.repo === account.did).length >= 38)
  })

  test('adds up to the records that the repo lists', async () => {
    const { agent, did } = account
    const { data } = await agent.com.atproto.repo.describeRepo({ repo: did })
    const lists = data.collections.map((collection) => agent.com.atproto.repo.listRecords({ repo: did, collection, limit: 100 }))
    const listed = (await Promise.all(lists)).flatMap((page) => page.data.records)
    const wanted = listed.map(({ uri, cid }) => [uri.replace(`at://${did}/`, ''), cid])
    assert.deepEqual(new Map([...consumer.repos.get(did).records].sort()), new Map(wanted.sort()))
    assert.equal(consumer.repos.get(did).rev, (await head(account)).rev)
  })
})

describe('an event that is not true', () => {
  let account, history, last
  before(async () => {
    account = await createAccount('forged')
    await applyWrites(account, Array.from({ length: 60 }, (_, n) => ({ action: 'create', rkey: `r${n}`, value: { n } })))
    const { rev } = await applyWrites(account, [{ action: 'update', rkey: 'r7', value: { n: 700 } }, { action: 'delete', rkey: 'r8' }])
    const frames = await replay(commitOf(account.did, rev))
    history = frames.filter((frame) => didOf(frame) === account.did)
    last = history.pop()
  })

  async function acceptLast(change) {
    const consumer = new Consumer()
    for (const frame of history) await consumer.accept(frame)
    await consumer.accept({ type: last.type, body: { ...last.body, ...(await change(last.body)) } })
  }

  /** The event's CAR without the record or tree node that `isDropped` picks. */
  async function carWithout(body, isDropped) {
    const { root, blocks } = await readCarWithRoot(body.blocks)
    const dropped = blocks.entries().find(({ cid, bytes }) => isDropped(cid, cborToLex(bytes)))
    blocks.delete(dropped.cid)
    return { blocks: await blocksToCarFile(root, blocks) }
  }

  const forgeries = {
    'seq that was there before': () => ({ seq: history[0].body.seq }),
    'another rev': ({ since }) => ({ rev: since }),
    'a wrong since': ({ rev }) => ({ since: rev }),
    'a wrong prevData': ({ commit }) => ({ prevData: commit }),
    'an operation left out': ({ ops }) => ({ ops: ops.slice(1) }),
    'an update called a create': ({ ops }) => ({ ops: ops.map((op) => ({ ...op, action: op.action.replace('update', 'create') })) }),
    'a wrong prev': ({ ops, commit }) => ({ ops: ops.map((op) => ({ ...op, prev: commit })) }),
    'a record missing': (body) => carWithout(body, (cid, value) => value.n === 700),
    'a node of the tree missing': (body) => carWithout(body, (cid, value) => Array.isArray(value.e)),
    'the name of another account': () => ({ repo: 'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa' }),
  }
  test('is noticed by the consumer, and the true one accepted', async () => {
    await acceptLast(() => ({}))
    for (const [name, change] of Object.entries(forgeries)) await assert.rejects(acceptLast(change), undefined, name)
  })
})

describe('an account', () => {
  const typesOf = (frames, did) => frames.filter((frame) => didOf(frame) === did).map(({ type }) => type)

  test('begins with #identity, #account, #commit, #sync', async () => {
    const account = await createAccount('newborn')
    const frames = await replay((frame) => didOf(frame) === account.did && frame.type === '#sync')
    const [identity, status, commit, sync] = frames.filter((frame) => didOf(frame) === account.did).map(({ body }) => body)
    assert.deepEqual(typesOf(frames, account.did), ['#identity', '#account', '#commit', '#sync'])
    assert.equal(identity.handle, account.handle)
    assert.equal(status.active, true)
    assert.deepEqual({ ops: commit.ops, since: commit.since, prevData: commit.prevData }, { ops: [], since: null, prevData: undefined })
    assert.equal(sync.rev, commit.rev)
  })

  test('that changes its handle is announced', async () => {
    const { agent, did } = await createAccount('renamed')
    const { handle } = newCredentials('renamed')
    await agent.com.atproto.identity.updateHandle({ handle })
    const frames = await replay(({ type, body }) => type === '#identity' && body.did === did && body.handle === handle)
    assert.deepEqual(typesOf(frames, did), ['#identity', '#account', '#commit', '#sync', '#identity'])
  })

  test('that is deactivated and activated goes on from a #sync', async () => {
    const account = await createAccount('paused')
    const { agent, did } = account
    await write(account, 'before')
    await agent.com.atproto.server.deactivateAccount({})
    await assert.rejects(write(account, 'meanwhile'), (error) => error.status === 401 || error.status === 400)
    const { status, body } = await xrpc('GET', 'com.atproto.sync.getRepo', { params: { did } })
    assert.deepEqual({ status, error: body.error }, { status: 400, error: 'RepoDeactivated' })
    await agent.com.atproto.server.activateAccount()
    const { rev } = await write(account, 'after')

    const frames = await replay(commitOf(did, rev))
    const ofAccount = frames.filter((frame) => didOf(frame) === did)
    const consumer = new Consumer()
    for (const frame of ofAccount) await consumer.accept(frame)
    const lifecycle = ['#account', '#account', '#identity', '#sync']
    assert.deepEqual(typesOf(frames, did), ['#identity', '#account', '#commit', '#sync', '#commit', ...lifecycle, '#commit'])
    const [off, on] = ofAccount.slice(5, 7).map(({ body }) => ({ active: body.active, status: body.status }))
    assert.deepEqual([off, on], [{ active: false, status: 'deactivated' }, { active: true, status: undefined }])
  })
})

describe('a cursor', () => {
  let account
  before(async () => {
    account = await createAccount('cursor')
  })

  test('replays the bytes that were sent live', async () => {
    const subscription = await openLive(account)
    for (let n = 0; n < 5; n += 1) await write(account, `live ${n}`)
    const { rev } = await write(account, 'last')
    const live = await subscription.until(commitOf(account.did, rev))
    subscription.close()

    const [first] = live
    const again = await replay(commitOf(account.did, rev), first.body.seq)
    assert.ok(live.length > 6)
    assert.deepEqual(again.map(({ bytes }) => bytes.toString('hex')), live.slice(1).map(({ bytes }) => bytes.toString('hex')))
  })

  test('leads from old events to new ones without a gap and without repeating any', async (context) => {
    const written = []
    const writing = (async () => {
      for (let n = 0; n < 30; n += 1) written.push((await write(account, `during ${n}`)).rev)
    })()
    const subscriptions = await Promise.all(Array.from({ length: 5 }, () => Subscription.open(0)))
    context.after(() => subscriptions.forEach((subscription) => subscription.close()))
    await writing
    const reference = (await replay(commitOf(account.did, written.at(-1)))).map(({ body }) => body.seq)
    for (const subscription of subscriptions) {
      const frames = await subscription.until(commitOf(account.did, written.at(-1)))
      const seqs = frames.map(({ body }) => body.seq)
      assert.deepEqual(seqs, [...new Set(seqs)].sort((one, other) => one - other))
      // They may have more: the events of an account that another test has deleted since are not replayed.
      assert.deepEqual(reference.filter((seq) => !seqs.includes(seq)), [])
    }
  })

  test('in the future is refused', async () => {
    const subscription = await Subscription.open(Number.MAX_SAFE_INTEGER)
    const [frame] = await subscription.until(() => true)
    assert.deepEqual({ isError: frame.isError, error: frame.body.error }, { isError: true, error: 'FutureCursor' })
    assert.equal((await subscription.closed).code, 1008)
  })

  test('that is no number is refused', async () => {
    const refused = await Subscription.open('abc').then(
      async (subscription) => (await subscription.until(() => true))[0].isError,
      () => true,
    )
    assert.equal(refused, true)
  })
})

describe('@atproto/sync', () => {
  test('accepts the events with its own verification', async () => {
    const account = await createAccount('indexed')
    const { agent, did } = account
    const { uri } = await agent.post(post('to be indexed'))
    await agent.upsertProfile(() => ({ displayName: 'Indexed' }))
    await agent.upsertProfile(() => ({ displayName: 'Indexed again' }))
    await agent.deletePost(uri)

    const errors = []
    const events = []
    await new Promise((resolve, reject) => {
      const firehose = new Firehose({
        service: PDS_URL.replace(/^http/, 'ws'),
        idResolver: new IdResolver({ plcUrl: PLC_URL, fetch }),
        unauthenticatedHandles: true,
        getCursor: () => 0,
        onError: (error) => errors.push(error),
        handleEvent: (event) => {
          if (event.did === did) events.push(event)
          if (event.did === did && event.event === 'delete') firehose.destroy().then(resolve, reject)
        },
      })
      firehose.start()
    })
    assert.deepEqual(errors, [])
    assert.deepEqual(
      events.map(({ event, collection }) => [event, collection].filter(Boolean).join(' ')),
      [
        'identity', 'account', 'sync', 'create app.bsky.feed.post', 'create app.bsky.actor.profile',
        'update app.bsky.actor.profile', 'delete app.bsky.feed.post',
      ],
    )
    assert.equal(events[3].record.text, 'to be indexed')
    assert.equal(events[5].record.displayName, 'Indexed again')
  })
})
