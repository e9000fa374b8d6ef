// Accounts and sessions as @atproto/api uses them.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { AtpAgent } from '@atproto/api'
import { PDS_URL, createAccount, createInviteCode, jwtSecret, newCredentials, xrpc, xrpcError } from './network.mjs'

function claims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
}

/** The token as the server would have made it two hours ago. */
function expiredCopy(token) {
  const { iat, exp, ...rest } = claims(token)
  const aged = Buffer.from(JSON.stringify({ ...rest, iat: iat - 7300, exp: exp - 7300 })).toString('base64url')
  const signed = `${token.split('.')[0]}.${aged}`
  return `${signed}.${createHmac('sha256', jwtSecret).update(signed).digest('base64url')}`
}

function refresh(refreshJwt) {
  return xrpc('POST', 'com.atproto.server.refreshSession', { token: refreshJwt })
}

describe('sign-up', () => {
  test('describeServer says what a client must ask for', async () => {
    const { data } = await new AtpAgent({ service: PDS_URL }).com.atproto.server.describeServer()
    assert.equal(data.did, 'did:web:localhost')
    assert.deepEqual(data.availableUserDomains, ['.test'])
    assert.equal(data.inviteCodeRequired, true)
  })

  test('an account is made with an invite code and is logged in', async () => {
    const { agent, did, handle, email } = await createAccount('signup')
    assert.match(did, /^did:plc:[a-z2-7]{24}$/)
    assert.equal(agent.session.handle, handle)
    const { data } = await agent.com.atproto.server.getSession()
    assert.deepEqual(
      { did: data.did, handle: data.handle, email: data.email, emailConfirmed: data.emailConfirmed, active: data.active },
      { did, handle, email, emailConfirmed: false, active: true },
    )
  })

  test('without an invite code there is no account', async () => {
    const signUp = new AtpAgent({ service: PDS_URL }).createAccount(newCredentials('noinvite'))
    await assert.rejects(signUp, xrpcError(400, 'InvalidInviteCode'))
  })

  test('an invite code is good for as many accounts as it says', async () => {
    const inviteCode = await createInviteCode(1)
    const agent = new AtpAgent({ service: PDS_URL })
    await agent.createAccount({ ...newCredentials('first'), inviteCode })
    await assert.rejects(agent.createAccount({ ...newCredentials('second'), inviteCode }), xrpcError(400, 'InvalidInviteCode'))
  })

  test('a handle is given away once', async () => {
    const { handle } = await createAccount('taken')
    const again = { ...newCredentials('again'), handle, inviteCode: await createInviteCode(1) }
    await assert.rejects(new AtpAgent({ service: PDS_URL }).createAccount(again), (error) => {
      assert.equal(error.status, 400)
      assert.match(error.message, /taken/i)
      return true
    })
  })
})

describe('login', () => {
  let account
  before(async () => {
    account = await createAccount('login')
  })

  for (const identifier of ['handle', 'email', 'did']) {
    test(`by ${identifier}`, async () => {
      const agent = new AtpAgent({ service: PDS_URL })
      const { data } = await agent.login({ identifier: account[identifier], password: account.password })
      assert.equal(data.did, account.did)
      assert.equal(data.handle, account.handle)
      assert.equal((await agent.com.atproto.server.getSession()).data.did, account.did)
    })
  }

  test('not with a wrong password', async () => {
    const login = new AtpAgent({ service: PDS_URL }).login({ identifier: account.handle, password: 'wrong' })
    await assert.rejects(login, xrpcError(401, 'AuthenticationRequired'))
  })

  test('with an app password, until it is revoked', async () => {
    const { data: appPassword } = await account.agent.com.atproto.server.createAppPassword({ name: 'phone' })
    const agent = new AtpAgent({ service: PDS_URL })
    await agent.login({ identifier: account.handle, password: appPassword.password })
    await assert.rejects(agent.com.atproto.server.createAppPassword({ name: 'more' }), (error) => error.status >= 400)

    const { data } = await account.agent.com.atproto.server.listAppPasswords()
    assert.deepEqual(data.passwords.map((password) => password.name), ['phone'])
    await account.agent.com.atproto.server.revokeAppPassword({ name: 'phone' })
    const again = new AtpAgent({ service: PDS_URL }).login({ identifier: account.handle, password: appPassword.password })
    await assert.rejects(again, xrpcError(401, 'AuthenticationRequired'))
    assert.equal((await refresh(agent.session.refreshJwt)).body.error, 'ExpiredToken')
  })
})

describe('a session', () => {
  test('is resumed by another agent, which gets fresh tokens', async () => {
    const { agent, did, email } = await createAccount('resume')
    const saved = { ...agent.session }
    const events = []
    const other = new AtpAgent({ service: PDS_URL, persistSession: (event) => events.push(event) })
    await other.resumeSession(saved)
    assert.equal(other.session.did, did)
    assert.equal(other.session.email, email)
    assert.notEqual(claims(other.session.refreshJwt).jti, claims(saved.refreshJwt).jti)
    assert.deepEqual(events, ['update'])
  })

  test('a refresh token used twice within the grace period leads to one next token', async () => {
    const { agent } = await createAccount('grace')
    const first = agent.session.refreshJwt
    const [once, twice] = [await refresh(first), await refresh(first)]
    assert.equal(once.status, 200)
    assert.equal(twice.status, 200)
    const next = claims(once.body.refreshJwt).jti
    assert.notEqual(next, claims(first).jti)
    assert.equal(claims(twice.body.refreshJwt).jti, next)
    const { body } = await refresh(once.body.refreshJwt)
    assert.notEqual(claims(body.refreshJwt).jti, next)
  })

  test('two refreshes at the same time agree on the next token', async () => {
    const { agent } = await createAccount('race')
    const answers = await Promise.all(Array.from({ length: 4 }, () => refresh(agent.session.refreshJwt)))
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200])
    assert.equal(new Set(answers.map(({ body }) => claims(body.refreshJwt).jti)).size, 1)
  })

  const noSecret = jwtSecret === undefined && 'PDS_JWT_SECRET of the server is not known'
  test('is refreshed by the agent when the server calls its access token expired', { skip: noSecret }, async () => {
    const { agent, did } = await createAccount('expired')
    const before = { ...agent.session }
    agent.session.accessJwt = expiredCopy(before.accessJwt)
    const { status, body } = await xrpc('GET', 'com.atproto.server.getSession', { token: agent.session.accessJwt })
    assert.deepEqual({ status, error: body.error }, { status: 400, error: 'ExpiredToken' })

    const { data } = await agent.com.atproto.server.getSession()
    assert.equal(data.did, did)
    assert.notEqual(agent.session.refreshJwt, before.refreshJwt)
  })

  test('takes neither token in place of the other', async () => {
    const { agent } = await createAccount('swap')
    const { accessJwt, refreshJwt } = agent.session
    assert.equal((await refresh(accessJwt)).body.error, 'InvalidToken')
    const asAccess = await xrpc('GET', 'com.atproto.server.getSession', { token: refreshJwt })
    assert.equal(asAccess.body.error, 'InvalidToken')
  })

  test('ends with logout: its refresh token is worth nothing', async () => {
    const { agent } = await createAccount('logout')
    const { refreshJwt } = agent.session
    await agent.logout()
    assert.equal(agent.session, undefined)
    const { status, body } = await refresh(refreshJwt)
    assert.equal(status, 400)
    assert.equal(body.error, 'ExpiredToken')
  })
})
