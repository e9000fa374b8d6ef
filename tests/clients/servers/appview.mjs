// Stands in for the AppView on loopback port APPVIEW_PORT. It accepts a call only with a service token that the network's
// own library finds good, and answers with the profile of the account that signed the token.
import http from 'node:http'
import { IdResolver, getHandle } from '@atproto/identity'
import { verifyJwt } from '@atproto/xrpc-server'

const port = Number(process.env.APPVIEW_PORT)
const did = `did:web:localhost%3A${port}`
const { did: didResolver } = new IdResolver({ plcUrl: process.env.PLC_URL, fetch })

const didDocument = {
  '@context': ['https://www.w3.org/ns/did/v1'],
  id: did,
  service: [{ id: '#bsky_appview', type: 'BskyAppView', serviceEndpoint: `http://localhost:${port}` }],
}

/** The DID that signed the request's service token; rejects if the token is not good for this method and service. */
async function caller(request, nsid) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '')
  const payload = await verifyJwt(token, null, nsid, (iss, fresh) => didResolver.resolveAtprotoKey(iss, fresh))
  if (payload.aud !== did && payload.aud !== `${did}#bsky_appview`) throw new Error(`token is for ${payload.aud}`)
  return payload.iss
}

async function answer(request) {
  const url = new URL(request.url, `http://localhost:${port}`)
  if (url.pathname === '/.well-known/did.json') return [200, didDocument]
  const nsid = url.pathname.replace('/xrpc/', '')
  let viewer
  try {
    viewer = await caller(request, nsid)
  } catch (error) {
    return [401, { error: 'BadServiceToken', message: String(error) }]
  }
  if (nsid !== 'app.bsky.actor.getProfile') return [404, { error: 'XRPCNotSupported', message: nsid }]
  const actor = url.searchParams.get('actor')
  if (actor === 'nobody.test') return [400, { error: 'InvalidRequest', message: 'Profile not found' }]
  const handle = getHandle(await didResolver.ensureResolve(viewer))
  return [200, { $type: 'app.bsky.actor.defs#profileViewDetailed', did: viewer, handle, displayName: `asked for ${actor}` }]
}

http
  .createServer(async (request, response) => {
    const [status, body] = await answer(request)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  .listen(port, 'localhost')
process.on('SIGTERM', () => process.exit(0))
