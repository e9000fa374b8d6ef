// Stands in for the AppView, the chat service, the push service, a labeler and a video service on loopback port APPVIEW_PORT. It accepts
// a call only with a service token that the network's own library finds good. `/seen?did=…&rev=…` tells it up to which rev it has seen an
// account's repo, `/headers?did=…` answers the headers of the account's last call.
import http from 'node:http'
import { IdResolver, getHandle } from '@atproto/identity'
import { verifyJwt } from '@atproto/xrpc-server'
import { answers } from './answers.mjs'

const port = Number(process.env.APPVIEW_PORT)
const did = `did:web:localhost%3A${port}`
const { did: didResolver } = new IdResolver({ plcUrl: process.env.PLC_URL, fetch })

const didDocument = {
  '@context': ['https://www.w3.org/ns/did/v1'],
  id: did,
  service: ['bsky_appview', 'bsky_chat', 'bsky_notif', 'atproto_labeler'].map((id) => ({
    id: `#${id}`,
    type: 'Service',
    serviceEndpoint: `http://localhost:${port}`,
  })),
}

/** The DID of a feed's generator: `getFeed` comes with a token for it. */
const FEED_GENERATOR = 'did:web:feeds.example.com'

/** The rev up to which each account's repo has been seen. */
const seen = new Map()

/** The headers of each account's last call. */
const headers = new Map()

/** The DID that signed the request's service token; rejects if the token is not good for this method and service. */
async function caller(request, nsid) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '')
  const isFeed = nsid === 'app.bsky.feed.getFeed'
  const lxm = isFeed ? 'app.bsky.feed.getFeedSkeleton' : nsid
  const payload = await verifyJwt(token, null, lxm, (iss, fresh) => didResolver.resolveAtprotoKey(iss, fresh))
  const wanted = isFeed ? FEED_GENERATOR : did
  if (payload.aud !== wanted) throw new Error(`token is for ${payload.aud}, not ${wanted}`)
  return payload.iss
}

async function body(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks))
}

async function answer(request) {
  const url = new URL(request.url, `http://localhost:${port}`)
  const params = Object.fromEntries(url.searchParams)
  if (url.pathname === '/.well-known/did.json') return [200, didDocument]
  if (url.pathname === '/seen') {
    seen.set(params.did, params.rev)
    return [200, {}]
  }
  if (url.pathname === '/headers') return [200, headers.get(params.did)]
  const nsid = url.pathname.replace('/xrpc/', '')
  // Anybody may ask for records: here, all are feeds of one generator.
  if (nsid === 'com.atproto.repo.getRecord') return [200, { uri: 'at://x', value: { did: FEED_GENERATOR } }]
  let iss
  try {
    iss = await caller(request, nsid)
  } catch (error) {
    return [401, { error: 'BadServiceToken', message: String(error) }]
  }
  headers.set(iss, request.headers)
  if (!(nsid in answers)) return [404, { error: 'XRPCNotSupported', message: nsid }]
  if (params.actor === 'nobody.test') return [400, { error: 'InvalidRequest', message: 'Profile not found' }]
  const handle = getHandle(await didResolver.ensureResolve(iss))
  const viewer = { $type: 'app.bsky.actor.defs#profileViewDetailed', did: iss, handle }
  return [200, answers[nsid](request.method === 'POST' ? await body(request) : params, viewer), seen.get(iss)]
}

http
  .createServer(async (request, response) => {
    const [status, body, rev] = await answer(request)
    const labelers = request.headers['atproto-accept-labelers']
    const headers = {
      ...(labelers && { 'atproto-content-labelers': labelers }),
      ...(body && { 'content-type': 'application/json' }),
      ...(rev && { 'atproto-repo-rev': rev }),
    }
    response.writeHead(status, headers).end(body && JSON.stringify(body))
  })
  .listen(port, 'localhost')
process.on('SIGTERM', () => process.exit(0))
