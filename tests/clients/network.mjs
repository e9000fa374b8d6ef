// The servers under test, and accounts on them. Every test makes accounts of its own, so test files may run side by side.
import { randomBytes } from 'node:crypto'
import { AtpAgent } from '@atproto/api'
import { IdResolver } from '@atproto/identity'

export const PDS_URL = process.env.PDS_URL
export const PLC_URL = process.env.PLC_URL
/** Absent when the tests run against a PDS that was started elsewhere with an unknown AppView. */
export const APPVIEW_URL = process.env.APPVIEW_URL
/** Shows the mails that the PDS sent; absent when it was started elsewhere. */
export const MAIL_URL = process.env.MAIL_URL
/** What the PDS signs its session tokens with; absent when it was started elsewhere. */
export const jwtSecret = process.env.PDS_JWT_SECRET
/** True while the tests are checked against the reference PDS: a few answers of ours are better on purpose. */
export const isReference = process.env.PDS_IS_REFERENCE === '1'

const adminAuthorization = `Basic ${Buffer.from(`admin:${process.env.PDS_ADMIN_PASSWORD ?? 'admin-pass'}`).toString('base64')}`

/** Reads DID documents and signing keys from the PLC directory, past the PDS. Plain fetch: the default one refuses http. */
export const identityResolver = new IdResolver({ plcUrl: PLC_URL, fetch })

/** Calls an XRPC method with fetch, without a client library. Query parameters in `params`, JSON body in `input`. */
export async function xrpc(method, nsid, { params, input, token, authorization, service = PDS_URL } = {}) {
  const url = new URL(`/xrpc/${nsid}?${new URLSearchParams(params)}`, service)
  const headers = {}
  if (input !== undefined) headers['content-type'] = 'application/json'
  if (token ?? authorization) headers.authorization = authorization ?? `Bearer ${token}`
  const response = await fetch(url, { method, headers, body: input === undefined ? undefined : JSON.stringify(input) })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

/** An invite code for `useCount` accounts, asked for as the administrator. */
export async function createInviteCode(useCount, service = PDS_URL) {
  const input = { useCount }
  const { status, body } = await xrpc('POST', 'com.atproto.server.createInviteCode', { input, authorization: adminAuthorization, service })
  if (status !== 200) throw new Error(`createInviteCode: ${status} ${JSON.stringify(body)}`)
  return body.code
}

/** Handle, e-mail address and password that no account has yet. `name`: up to 8 letters. */
export function newCredentials(name) {
  const label = name + randomBytes(5).toString('hex')
  return { handle: `${label}.test`, email: `${label}@mail.test`, password: `password of ${label}` }
}

/** A new account: its credentials, its DID, the answer of createAccount and an agent that is logged in. */
export async function createAccount(name) {
  const credentials = newCredentials(name)
  const agent = new AtpAgent({ service: PDS_URL })
  const { data: created } = await agent.createAccount({ ...credentials, inviteCode: await createInviteCode(1) })
  return { ...credentials, did: created.did, created, agent }
}

/** The did:key of the account's signing key as the PLC directory says now. */
export function signingKey(did) {
  return identityResolver.did.resolveAtprotoKey(did, true)
}

/** A post record. */
export function post(text) {
  return { $type: 'app.bsky.feed.post', text, createdAt: new Date().toISOString() }
}

/** The record key in an at:// URI. */
export function rkeyOf(uri) {
  return uri.split('/').at(-1)
}

/** For assert.rejects: the error of an XRPC client with this HTTP status and error name. */
export function xrpcError(status, error) {
  return { status, error }
}

/** The newest mail with a code to an address, `{token, text}`, once there are `number`: it may come after the answer that announces it. */
export async function mailWithCode(address, number = 1) {
  for (let attempts = 0; attempts < 200; attempts += 1) {
    const mails = await fetch(`${MAIL_URL}/mails?to=${encodeURIComponent(address)}`).then((response) => response.json())
    const withCode = mails.filter((mail) => mail.token)
    if (withCode.length >= number) return withCode.at(-1)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`no mail for ${address}`)
}
