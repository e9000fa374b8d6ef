// Everything that the Bluesky app asks of its server, in one session after another.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { AtpAgent } from '@atproto/api'
import { APPVIEW_URL, MAIL_URL, PDS_URL, createAccount, mailWithCode, post, rkeyOf, xrpc, xrpcError } from './network.mjs'

const serviceDid = APPVIEW_URL && `did:web:${encodeURIComponent(new URL(APPVIEW_URL).host)}`
const skip = !APPVIEW_URL && 'APPVIEW_URL is not set'
const withoutMail = !MAIL_URL && 'MAIL_URL is not set'
const LABELER = 'did:plc:ar7c4by46qjdydhdevvrndac'
/** The app's field for mailed codes takes nothing else. */
const CODE = /^[A-Z2-7]{5}-[A-Z2-7]{5}$/
const createdAt = new Date().toISOString()

let alice, app, chat
before(async () => {
  alice = await createAccount('person')
  if (skip) return
  app = alice.agent.withProxy('bsky_appview', serviceDid)
  chat = alice.agent.withProxy('bsky_chat', serviceDid)
  app.configureLabelers([LABELER])
})

/** Tells the AppView up to which rev it has seen an account's repo. */
async function appviewHasSeen(did, rev) {
  await fetch(`${APPVIEW_URL}/seen?${new URLSearchParams({ did, rev })}`)
}

/** A browser's preflight request for a call with the headers that the app sends. */
function preflight(nsid) {
  const names = 'authorization,content-type,atproto-proxy,atproto-accept-labelers,x-bsky-topics,x-bsky-is-beta-user'
  const headers = { origin: 'https://bsky.app', 'access-control-request-method': 'GET', 'access-control-request-headers': names }
  return fetch(`${PDS_URL}/xrpc/${nsid}`, { method: 'OPTIONS', headers })
}

describe('signing in', () => {
  test('the provider is described, and a browser may ask', async () => {
    const { data } = await new AtpAgent({ service: PDS_URL }).com.atproto.server.describeServer()
    assert.equal(data.did, `did:web:${new URL(PDS_URL).hostname}`)
    const answer = await preflight('app.bsky.feed.getTimeline')
    assert.equal(answer.status, 204)
    assert.equal(answer.headers.get('access-control-allow-origin'), '*')
    const allowed = answer.headers.get('access-control-allow-headers')
    for (const name of ['authorization', 'atproto-proxy', 'atproto-accept-labelers', 'x-bsky-topics']) assert.match(allowed, new RegExp(name, 'i'))
  })

  test('a wrong password is told from a right one', async () => {
    const login = { identifier: alice.handle, allowTakendown: true, authFactorToken: '' }
    const agent = new AtpAgent({ service: PDS_URL })
    await assert.rejects(agent.login({ ...login, password: 'wrong' }), xrpcError(401, 'AuthenticationRequired'))
    const { data } = await agent.login({ ...login, password: alice.password })
    assert.equal(data.did, alice.did)
    assert.equal(data.active, true)
  })

  test('a page load resumes the session, and a refresh tells all that a client wants', async () => {
    const agent = new AtpAgent({ service: PDS_URL })
    await agent.resumeSession(alice.agent.session)
    assert.equal((await agent.com.atproto.server.getSession()).data.handle, alice.handle)
    const { body } = await xrpc('POST', 'com.atproto.server.refreshSession', { token: alice.agent.session.refreshJwt })
    assert.equal(body.emailConfirmed, false)
    assert.equal(body.did, alice.did)
    await alice.agent.resumeSession({ ...alice.agent.session, ...body })
    const { data } = await alice.agent.com.atproto.temp.checkSignupQueue()
    assert.equal(data.activated, true)
  })

  test('whoever signed out, or comes with an old token, is told so that the app signs out or refreshes', async () => {
    const { agent } = await createAccount('gone')
    const { accessJwt, refreshJwt } = agent.session
    await agent.logout()
    const refreshed = await xrpc('POST', 'com.atproto.server.refreshSession', { token: refreshJwt })
    assert.deepEqual([refreshed.status, refreshed.body.error], [400, 'ExpiredToken'])
    const asked = await xrpc('GET', 'com.atproto.server.getSession', { token: accessJwt })
    assert.deepEqual([asked.status, asked.body.error], [400, 'ExpiredToken'])
  })

  test('the birth date gate opens and stays open', async () => {
    await alice.agent.setPersonalDetails({ birthDate: '1990-05-17T00:00:00.000Z' })
    const preferences = await alice.agent.getPreferences()
    assert.equal(preferences.birthDate.toISOString(), '1990-05-17T00:00:00.000Z')
    const { data } = await alice.agent.app.bsky.actor.getPreferences()
    const age = data.preferences.find((preference) => preference.$type === 'app.bsky.actor.defs#declaredAgePref')
    assert.deepEqual([age.isOverAge13, age.isOverAge16, age.isOverAge18], [true, true, true])
  })

  test('records that are not there are told from errors', async () => {
    const lookUp = { repo: alice.did, collection: 'chat.bsky.actor.declaration', rkey: 'self' }
    await assert.rejects(alice.agent.com.atproto.repo.getRecord(lookUp), xrpcError(400, 'RecordNotFound'))
  })
})

describe('what the AppView answers', { skip }, () => {
  const calls = [
    ['getProfile', () => app.app.bsky.actor.getProfile({ actor: alice.did })],
    ['getProfiles', () => app.app.bsky.actor.getProfiles({ actors: [alice.did, alice.handle] })],
    ['searchActorsTypeahead', () => app.app.bsky.actor.searchActorsTypeahead({ q: 'a', limit: 8 })],
    ['ageassurance.getState', () => app.app.bsky.ageassurance.getState({ countryCode: 'DE' })],
    ['createDraft', () => app.app.bsky.draft.createDraft({ draft: { posts: [{ text: 'later' }] } })],
    ['updateDraft', () => app.app.bsky.draft.updateDraft({ draft: { id: '3jzfcijpj2z2a', draft: { posts: [{ text: 'much later' }] } } })],
    ['deleteDraft', () => app.app.bsky.draft.deleteDraft({ id: '3jzfcijpj2z2a' })],
    ['getDrafts', () => app.app.bsky.draft.getDrafts()],
    ['getTimeline', () => app.app.bsky.feed.getTimeline({ limit: 30 })],
    ['getFeed', () => app.app.bsky.feed.getFeed({ feed: `at://${alice.did}/app.bsky.feed.generator/cats` })],
    ['getAuthorFeed', () => app.app.bsky.feed.getAuthorFeed({ actor: alice.did, filter: 'posts_and_author_threads' })],
    ['getActorLikes', () => app.app.bsky.feed.getActorLikes({ actor: alice.did })],
    ['getPosts', () => app.app.bsky.feed.getPosts({ uris: [`at://${alice.did}/app.bsky.feed.post/3jzfcijpj2z2a`] })],
    ['getFeedGenerators', () => app.app.bsky.feed.getFeedGenerators({ feeds: [`at://${alice.did}/app.bsky.feed.generator/cats`] })],
    ['searchPostsV2', () => app.app.bsky.feed.searchPostsV2({ query: 'a' })],
    ['getFollows', () => app.app.bsky.graph.getFollows({ actor: alice.did })],
    ['getSuggestedFollowsByActor', () => app.app.bsky.graph.getSuggestedFollowsByActor({ actor: alice.did })],
    ['getServices', () => app.app.bsky.labeler.getServices({ dids: [LABELER], detailed: true })],
    ['listNotifications', () => app.app.bsky.notification.listNotifications({ limit: 30 })],
    ['getUnreadCount', () => app.app.bsky.notification.getUnreadCount()],
    ['muteActor', () => app.app.bsky.graph.muteActor({ actor: LABELER })],
    ['muteThread', () => app.app.bsky.graph.muteThread({ root: `at://${alice.did}/app.bsky.feed.post/3jzfcijpj2z2a` })],
    ['updateSeen', () => app.app.bsky.notification.updateSeen({ seenAt: createdAt })],
    ['getConfig', () => app.app.bsky.unspecced.getConfig()],
    ['getPostThreadV2', () => app.app.bsky.unspecced.getPostThreadV2({ anchor: `at://${alice.did}/app.bsky.feed.post/3jzfcijpj2z2a` })],
    ['getOnboardingSuggestedStarterPacks', () => app.app.bsky.unspecced.getOnboardingSuggestedStarterPacks()],
    ['getSuggestedOnboardingUsers', () => app.app.bsky.unspecced.getSuggestedOnboardingUsers()],
    ['createBookmark', () => app.app.bsky.bookmark.createBookmark({ uri: `at://${alice.did}/app.bsky.feed.post/3jzfcijpj2z2a`, cid: 'bafyreidexj7uphrejptmovciauxfyxoigs2pylxegnzpruduihgpyqczw4' })],
    ['getBookmarks', () => app.app.bsky.bookmark.getBookmarks({ limit: 40 })],
    ['deleteBookmark', () => app.app.bsky.bookmark.deleteBookmark({ uri: `at://${alice.did}/app.bsky.feed.post/3jzfcijpj2z2a` })],
    ['registerPush', () => alice.agent.app.bsky.notification.registerPush({ serviceDid, token: 't', platform: 'web', appId: 'xyz.blueskyweb.app' })],
    ['unregisterPush', () => alice.agent.app.bsky.notification.unregisterPush({ serviceDid, token: 't', platform: 'web', appId: 'xyz.blueskyweb.app' })],
    ['convo.getLog', () => chat.chat.bsky.convo.getLog({})],
    ['convo.getUnreadCounts', () => chat.chat.bsky.convo.getUnreadCounts()],
    ['convo.listConvos', () => chat.chat.bsky.convo.listConvos({ limit: 20 })],
    ['convo.getConvoAvailability', () => chat.chat.bsky.convo.getConvoAvailability({ members: [alice.did] })],
    ['convo.getConvo', () => chat.chat.bsky.convo.getConvo({ convoId: '1' })],
    ['convo.sendMessage', () => chat.chat.bsky.convo.sendMessage({ convoId: '1', message: { text: 'hello' } })],
    ['chat actor.getStatus', () => chat.chat.bsky.actor.getStatus()],
  ]
  for (const [name, call] of calls) {
    test(`${name} arrives with a good token`, async () => {
      const { success } = await call()
      assert.equal(success, true)
    })
  }

  test('labelers, languages and topics reach it, and nothing else of the app', async () => {
    const headers = { 'accept-language': 'de,en', 'x-bsky-topics': 'a,b', 'x-bsky-is-beta-user': 'true', cookie: 'a=b' }
    const answer = await app.app.bsky.feed.getTimeline({ limit: 1 }, { headers })
    const arrived = await fetch(`${APPVIEW_URL}/headers?did=${alice.did}`).then((response) => response.json())
    assert.match(arrived['atproto-accept-labelers'], new RegExp(LABELER))
    assert.equal(answer.headers['atproto-content-labelers'], arrived['atproto-accept-labelers'])
    assert.deepEqual([arrived['accept-language'], arrived['x-bsky-topics']], ['de,en', 'a,b'])
    for (const name of ['cookie', 'atproto-proxy', 'x-bsky-is-beta-user', 'origin']) assert.equal(arrived[name], undefined)
    assert.notEqual(arrived.authorization, `Bearer ${alice.agent.session.accessJwt}`)
  })

  test('a refusal of its arrives as such', async () => {
    await assert.rejects(app.app.bsky.actor.getProfile({ actor: 'nobody.test' }), { ...xrpcError(400, 'InvalidRequest'), message: 'Profile not found' })
    await assert.rejects(chat.chat.bsky.convo.leaveConvo({ convoId: '1' }), xrpcError(404, 'XRPCNotSupported'))
  })

  test('resolveHandle is ours, whatever service the app names', async () => {
    const { data } = await app.com.atproto.identity.resolveHandle({ handle: alice.handle })
    assert.equal(data.did, alice.did)
    assert.equal((await alice.agent.resolveHandle({ handle: alice.handle })).data.did, alice.did)
  })

  test('a report goes to the labeler that the app names', async () => {
    const labeler = alice.agent.withProxy('atproto_labeler', serviceDid)
    const subject = { $type: 'com.atproto.admin.defs#repoRef', did: alice.did }
    const { data } = await labeler.com.atproto.moderation.createReport({ reasonType: 'com.atproto.moderation.defs#reasonSpam', subject })
    assert.equal(data.reportedBy, alice.did)
  })
})

describe('posting', () => {
  test('a post with a picture, a reply, a like, a follow and a profile', async () => {
    const { data } = await alice.agent.uploadBlob(Buffer.from('89504e470d0a1a0a00000000', 'hex'), { encoding: 'image/png' })
    const picture = { $type: 'app.bsky.embed.images', images: [{ image: data.blob, alt: '', aspectRatio: { width: 1, height: 1 } }] }
    const writes = (value) => ({
      repo: alice.did,
      validate: true,
      writes: [{ $type: 'com.atproto.repo.applyWrites#create', collection: 'app.bsky.feed.post', value }],
    })
    const made = await alice.agent.com.atproto.repo.applyWrites(writes({ ...post('a picture'), embed: picture }))
    const { uri, cid } = made.data.results[0]
    const reply = { root: { uri, cid }, parent: { uri, cid } }
    await alice.agent.com.atproto.repo.applyWrites(writes({ ...post('a reply'), reply }))
    const like = await alice.agent.like(uri, cid)
    await alice.agent.repost(uri, cid)
    await alice.agent.follow(LABELER)
    await alice.agent.deleteLike(like.uri)
    await alice.agent.upsertProfile((profile) => ({ ...profile, displayName: 'Alice' }))
    const { data: profile } = await alice.agent.com.atproto.repo.getRecord({ repo: alice.did, collection: 'app.bsky.actor.profile', rkey: 'self' })
    assert.equal(profile.value.displayName, 'Alice')
    const { data: lists } = await alice.agent.com.atproto.repo.listRecords({ repo: alice.did, collection: 'app.bsky.graph.list' })
    assert.deepEqual(lists.records, [])
  })

  test('what was just written is there before the AppView knows it', { skip }, async () => {
    const bob = await createAccount('author')
    const view = bob.agent.withProxy('bsky_appview', serviceDid)
    const { data: head } = await bob.agent.com.atproto.sync.getLatestCommit({ did: bob.did })
    await appviewHasSeen(bob.did, head.rev)
    const { uri } = await bob.agent.post(post('just now'))
    await bob.agent.upsertProfile(() => ({ displayName: 'Bob himself' }))
    const { data: timeline, headers } = await view.getTimeline()
    assert.deepEqual(timeline.feed.map((item) => item.post.uri), [uri])
    assert.equal(timeline.feed[0].post.author.displayName, 'Bob himself')
    assert.match(headers['atproto-upstream-lag'], /^[0-9]+$/)
    assert.deepEqual((await view.getAuthorFeed({ actor: bob.handle })).data.feed.map((item) => item.post.uri), [uri])
    assert.equal((await view.getProfile({ actor: bob.did })).data.displayName, 'Bob himself')
    assert.equal((await view.getProfiles({ actors: [bob.did] })).data.profiles[0].displayName, 'Bob himself')
    const { data: now } = await bob.agent.com.atproto.sync.getLatestCommit({ did: bob.did })
    await appviewHasSeen(bob.did, now.rev)
    assert.deepEqual((await view.getTimeline()).data.feed, [])
    assert.equal(rkeyOf(uri).length, 13)
  })
})

describe('videos', () => {
  test('the video service stores them with a token that the app got for it', async () => {
    const { agent, did } = await createAccount('video')
    const aud = `did:web:${new URL(PDS_URL).hostname}`
    const exp = Math.floor(Date.now() / 1000) + 1800
    const { data } = await agent.com.atproto.server.getServiceAuth({ aud, lxm: 'com.atproto.repo.uploadBlob', exp })
    const video = Buffer.concat([Buffer.from('000000206674797069736f6d', 'hex'), Buffer.alloc(1000)])
    const headers = { authorization: `Bearer ${data.token}`, 'content-type': 'video/mp4' }
    const uploaded = await fetch(`${PDS_URL}/xrpc/com.atproto.repo.uploadBlob`, { method: 'POST', headers, body: video })
    assert.equal(uploaded.status, 200)
    const { blob } = await uploaded.json()
    assert.deepEqual([blob.mimeType, blob.size], ['video/mp4', video.length])
    const embed = { $type: 'app.bsky.embed.video', video: blob, aspectRatio: { width: 16, height: 9 } }
    const { uri } = await agent.post({ ...post('a video'), embed })
    const { data: record } = await agent.com.atproto.repo.getRecord({ repo: did, collection: 'app.bsky.feed.post', rkey: rkeyOf(uri) })
    assert.equal(record.value.embed.video.mimeType, 'video/mp4')
    // It is good for nothing else.
    const other = await xrpc('GET', 'app.bsky.actor.getPreferences', { token: data.token })
    assert.ok([400, 401].includes(other.status), `${other.status}`)
  })
})

describe('mailed codes', { skip: withoutMail }, () => {
  test('the address is confirmed, by a code or by the link that the app announces', async () => {
    const { agent, email } = await createAccount('mail')
    await agent.com.atproto.server.requestEmailConfirmation()
    const mail = await mailWithCode(email)
    assert.match(mail.token, CODE)
    assert.match(mail.text, new RegExp(`https?://[^\\s"]*${mail.token}`))
    await agent.com.atproto.server.confirmEmail({ email, token: mail.token })
    assert.equal((await agent.com.atproto.server.getSession()).data.emailConfirmed, true)
  })

  test('a second factor is switched on without a code, asked for, and switched off', async () => {
    const { agent, email, handle, password } = await createAccount('factor')
    await agent.com.atproto.server.requestEmailConfirmation()
    await agent.com.atproto.server.confirmEmail({ email, token: (await mailWithCode(email)).token })
    await agent.com.atproto.server.updateEmail({ email, emailAuthFactor: true })
    const again = new AtpAgent({ service: PDS_URL })
    const login = { identifier: handle, password, allowTakendown: true }
    await assert.rejects(again.login({ ...login, authFactorToken: '' }), xrpcError(401, 'AuthFactorTokenRequired'))
    const { token } = await mailWithCode(email, 2)
    assert.match(token, CODE)
    const { data } = await again.login({ ...login, authFactorToken: token })
    assert.equal(data.emailAuthFactor, true)
    const { data: update } = await again.com.atproto.server.requestEmailUpdate()
    assert.equal(update.tokenRequired, true)
    await again.com.atproto.server.updateEmail({ email, emailAuthFactor: false, token: (await mailWithCode(email, 3)).token })
    await agent.login(login)
  })

  test('a new password takes a code, and ends old sessions so that the app signs out', async () => {
    const { agent, email, handle } = await createAccount('reset')
    const { refreshJwt } = agent.session
    await agent.com.atproto.server.requestPasswordReset({ email })
    await agent.com.atproto.server.resetPassword({ token: (await mailWithCode(email)).token, password: 'another password' })
    const refreshed = await xrpc('POST', 'com.atproto.server.refreshSession', { token: refreshJwt })
    assert.deepEqual([refreshed.status, refreshed.body.error], [400, 'ExpiredToken'])
    await new AtpAgent({ service: PDS_URL }).login({ identifier: handle, password: 'another password' })
  })

  test('an account is deleted, after its messages', { skip }, async () => {
    const { agent, did, email, password } = await createAccount('leaver')
    await agent.com.atproto.server.requestAccountDelete()
    const { token } = await mailWithCode(email)
    const { success } = await agent.withProxy('bsky_chat', serviceDid).chat.bsky.actor.deleteAccount()
    assert.equal(success, true)
    await agent.com.atproto.server.deleteAccount({ did, password, token })
    await assert.rejects(agent.com.atproto.repo.describeRepo({ repo: did }), xrpcError(400, 'RepoNotFound'))
  })
})

describe('settings', () => {
  test('app passwords, a new handle, an export', async () => {
    const { agent, did } = await createAccount('set')
    await agent.com.atproto.server.createAppPassword({ name: 'phone', privileged: false })
    const { data: listed } = await agent.com.atproto.server.listAppPasswords()
    assert.deepEqual(listed.passwords.map((password) => password.name), ['phone'])
    await agent.com.atproto.server.revokeAppPassword({ name: 'phone' })
    const handle = `new${agent.session.handle}`
    await agent.com.atproto.identity.updateHandle({ handle })
    const { body } = await xrpc('POST', 'com.atproto.server.refreshSession', { token: agent.session.refreshJwt })
    assert.equal(body.handle, handle)
    const { headers } = await agent.com.atproto.sync.getRepo({ did }, { headers: { accept: 'application/vnd.ipld.car' } })
    assert.equal(headers['content-type'], 'application/vnd.ipld.car')
  })

  test('an account is switched off, and on again after signing in', async () => {
    const { agent, handle, password } = await createAccount('pause')
    await agent.com.atproto.server.deactivateAccount({})
    const again = new AtpAgent({ service: PDS_URL })
    const { data } = await again.login({ identifier: handle, password, allowTakendown: true })
    assert.deepEqual([data.active, data.status], [false, 'deactivated'])
    await again.com.atproto.server.activateAccount()
    assert.equal((await again.com.atproto.server.getSession()).data.active, true)
  })
})
